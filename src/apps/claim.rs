//! The claim to the name of an app: creating the namespace.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;

use super::app::namespace_manifest;
use super::error::AppsError;
use super::handle::Apps;
use crate::domain::{AppName, AppOwner, UserName};
use crate::k8s::with_retries;

/// How often a claim is tried while others create and delete namespaces of the same name.
const CLAIM_ATTEMPTS: usize = 3;

/// A push that needs the app.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub app: &'a AppName,
    pub user: &'a UserName,
    /// Admins may use the apps of other owners.
    pub is_admin: bool,
    /// Whether the user may become the owner of a new app. False if the app existed when the push was authorized: a grant
    /// for that app does not make its user the owner of the next app of the name.
    pub creates_app: bool,
}

/// The result of a successful claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// slipway created the namespace, or adopted a listed one.
    Created,
    /// The app existed, and the claimant may use it.
    Existing,
}

impl Apps {
    /// Creates the app's namespace if the claim permits it. If the app exists already, its owner and admins may proceed.
    ///
    /// # Errors
    /// [`AppsError::OwnedByOther`] if another user owns the app; [`AppsError::Foreign`] and
    /// [`AppsError::OtherInstallation`] if the namespace is not this slipway's; [`AppsError::NamespaceGone`] if it does not
    /// exist and may not be created; [`AppsError`].
    pub async fn claim(&self, claim: &Claim<'_>) -> Result<ClaimOutcome, AppsError> {
        let Claim { app, user, is_admin, creates_app } = *claim;
        for _ in 0..CLAIM_ATTEMPTS {
            if creates_app && !self.has_allow_list() && self.create(app, user).await? {
                return Ok(ClaimOutcome::Created);
            }
            match self.find_owner(app).await? {
                AppOwner::User(owner) if is_admin || owner == *user => return Ok(ClaimOutcome::Existing),
                AppOwner::User(_) => return Err(AppsError::OwnedByOther(app.clone())),
                AppOwner::OtherInstallation(other) => return Err(AppsError::other_installation(app, other)),
                AppOwner::Foreign => return Err(AppsError::Foreign(app.clone())),
                AppOwner::None if !creates_app => return Err(AppsError::NamespaceGone(app.clone())),
                AppOwner::None if self.has_allow_list() => {
                    self.adopt(app, user).await?;
                    return Ok(ClaimOutcome::Created);
                }
                AppOwner::None => {}
            }
        }
        Err(AppsError::BeingDeleted(app.clone()))
    }

    /// Checks that an existing app still belongs to the claimant, which may have waited since it was authorized.
    ///
    /// # Errors
    /// [`AppsError::OwnerChanged`]; as [`Apps::claim`].
    pub async fn check_claim(&self, claim: &Claim<'_>) -> Result<(), AppsError> {
        let app = claim.app.clone();
        match self.find_owner(claim.app).await? {
            AppOwner::User(owner) if claim.is_admin || owner == *claim.user => Ok(()),
            AppOwner::User(_) => Err(AppsError::OwnerChanged(app)),
            AppOwner::OtherInstallation(other) => Err(AppsError::other_installation(&app, other)),
            AppOwner::Foreign => Err(AppsError::Foreign(app)),
            AppOwner::None => Err(AppsError::NamespaceGone(app)),
        }
    }

    /// Returns false if the namespace exists already.
    async fn create(&self, app: &AppName, owner: &UserName) -> Result<bool, AppsError> {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let (params, manifest) = (PostParams::default(), namespace_manifest(app, owner, &self.installation));
        match with_retries("creating the namespace", || namespaces.create(&params, &manifest)).await {
            Ok(_) => {
                self.cache.wait_listed(app).await;
                Ok(true)
            }
            Err(error) if error.is_already_exists() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use super::super::scope::NamespaceScope;
    use super::*;
    use crate::domain::labels;
    use crate::testing::{fake_api_server, not_found};

    #[tokio::test]
    async fn a_namespace_is_created_only_for_a_claimant_who_creates_the_app() {
        let (app, user): (AppName, UserName) = ("web".parse().unwrap(), "alice".parse().unwrap());
        // This API server has no namespace, and creates every one that is requested.
        let client = fake_api_server(|request| match *request.method() {
            Method::POST => (201, json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": { "name": "web" } })),
            _ => not_found(),
        });
        let apps = Apps::new(client, NamespaceScope::AllNamespaces, "slipway");
        let creating = Claim { app: &app, user: &user, is_admin: false, creates_app: true };
        assert_eq!(apps.claim(&creating).await.unwrap(), ClaimOutcome::Created);
        let existing = Claim { is_admin: true, creates_app: false, ..creating };
        let gone = apps.claim(&existing).await.unwrap_err();
        assert_eq!(gone.to_string(), "the namespace of web no longer exists; push again");
    }

    /// With an allow list, a namespace without an owner is adopted by the first push.
    #[tokio::test]
    async fn an_app_of_another_installation_is_not_claimed() {
        let (app, user): (AppName, UserName) = ("web".parse().unwrap(), "alice".parse().unwrap());
        let client = fake_api_server(|request| match *request.method() {
            Method::GET => {
                let annotations = json!({ labels::INSTALLATION: "staging", labels::OWNER: "alice" });
                let metadata = json!({ "name": "web", "labels": { labels::APP: "web" }, "annotations": annotations });
                (200, json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": metadata }))
            }
            Method::POST => (409, json!({ "kind": "Status", "reason": "AlreadyExists", "code": 409 })),
            _ => panic!("{request:?}"),
        });
        for scope in [NamespaceScope::AllNamespaces, NamespaceScope::AllowList([app.clone()].into())] {
            let apps = Apps::new(client.clone(), scope, "slipway");
            let claim = Claim { app: &app, user: &user, is_admin: true, creates_app: true };
            let error = apps.claim(&claim).await.unwrap_err();
            assert!(error.to_string().contains("the slipway in the namespace staging"), "{error}");
            assert!(matches!(apps.adopt(&app, &user).await, Err(AppsError::OtherInstallation { .. })));
            assert!(matches!(apps.start_deletion(&app, None).await, Err(AppsError::OtherInstallation { .. })));
        }
    }
}
