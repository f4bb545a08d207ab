//! The namespace of an app: creating it is the claim to the name.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{ListParams, PartialObjectMeta, PostParams};

use super::app::{App, is_being_deleted, namespace_manifest, read_owner};
use super::error::AppsError;
use super::handle::Apps;
use super::scope::NamespaceScope;
use crate::domain::{AppName, AppOwner, UserName, labels};
use crate::k8s::{ApiError, with_retries};

/// How often a claim is tried while others create and delete namespaces of the same name.
const CLAIM_ATTEMPTS: usize = 3;
/// How many namespaces of an allow list are read concurrently.
const CONCURRENT_READS: usize = 8;

/// The result of a successful claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// slipway created the namespace, or adopted a listed one.
    Created,
    /// The app existed, and the claimant may use it.
    Existing,
}

impl Apps {
    /// Reads the owner of an app from its namespace.
    ///
    /// # Errors
    /// [`AppsError`]; [`AppsError::BeingDeleted`] while the namespace is being deleted; [`AppsError::NotListed`] and
    /// [`AppsError::NamespaceMissing`] with an allow list.
    pub async fn find_owner(&self, app: &AppName) -> Result<AppOwner, AppsError> {
        self.check_in_scope(app)?;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let result = with_retries("reading the namespace", || namespaces.get_opt(app.as_str())).await;
        match self.forbidden_as_none(result)? {
            None if self.has_allow_list() => Err(AppsError::NamespaceMissing(app.clone())),
            None => Ok(AppOwner::None),
            Some(namespace) if is_being_deleted(&namespace.metadata) => Err(AppsError::BeingDeleted(app.clone())),
            Some(namespace) => match read_owner(&namespace.metadata, app, &self.installation) {
                Some(owner) => Ok(AppOwner::User(owner)),
                None if self.has_allow_list() && !self.has_release(app).await? => Ok(AppOwner::None),
                None => Ok(AppOwner::Foreign),
            },
        }
    }

    /// With an allow list, slipway may read a namespace only by a Role inside it, which is deleted with the namespace:
    /// the API server then responds with 403 instead of 404.
    pub(super) fn forbidden_as_none<T>(&self, result: Result<Option<T>, ApiError>) -> Result<Option<T>, AppsError> {
        match result {
            Err(error) if self.has_allow_list() && error.status().is_some_and(|status| status.code == 403) => Ok(None),
            result => Ok(result?),
        }
    }

    /// Whether helm installed a release of the app's name. A push must not take such a release over.
    async fn has_release(&self, app: &AppName) -> Result<bool, AppsError> {
        let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(self.client.clone(), app.as_str());
        let records = ListParams::default().labels(&format!("owner=helm,name={app}")).limit(1);
        let found = with_retries("looking for a release", || secrets.list_metadata(&records)).await?;
        Ok(!found.items.is_empty())
    }

    /// All apps by name, without those that are being deleted.
    ///
    /// # Errors
    /// [`AppsError`]
    pub async fn list(&self) -> Result<Vec<App>, AppsError> {
        let namespaces = match &self.scope {
            NamespaceScope::AllowList(listed) => self.get_each(listed).await?,
            NamespaceScope::AllNamespaces | NamespaceScope::RoleBinding(_) => {
                let namespaces: Api<Namespace> = Api::all(self.client.clone());
                let labelled = ListParams::default().labels(labels::APP);
                with_retries("listing the apps", || namespaces.list_metadata(&labelled)).await?.items
            }
        };
        let apps =
            namespaces.iter().filter_map(|namespace| App::from_metadata(&namespace.metadata, &self.installation));
        let mut apps: Vec<_> = apps.collect();
        apps.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(apps)
    }

    async fn get_each(&self, listed: &BTreeSet<AppName>) -> Result<Vec<PartialObjectMeta<Namespace>>, AppsError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let reads = listed.iter().cloned().map(|app| {
            let namespaces = namespaces.clone();
            async move {
                let result = with_retries("reading a namespace", || namespaces.get_metadata_opt(app.as_str())).await;
                self.forbidden_as_none(result)
            }
        });
        let found: Vec<_> = stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Creates the app's namespace if the claimant `creates_app`. If the app exists already, its owner and admins may
    /// proceed.
    ///
    /// # Errors
    /// [`AppsError::OwnedByOther`] if another user owns the app, [`AppsError::Foreign`] if the namespace is foreign;
    /// [`AppsError::NamespaceGone`] if it does not exist and the claimant does not create the app: a grant for an app
    /// that existed does not make its user the owner of the next app of that name.
    pub async fn claim(
        &self,
        app: &AppName,
        claimant: &UserName,
        is_admin: bool,
        creates_app: bool,
    ) -> Result<ClaimOutcome, AppsError> {
        for _ in 0..CLAIM_ATTEMPTS {
            if creates_app && !self.has_allow_list() && self.create(app, claimant).await? {
                return Ok(ClaimOutcome::Created);
            }
            match self.find_owner(app).await? {
                AppOwner::User(owner) if is_admin || owner == *claimant => return Ok(ClaimOutcome::Existing),
                AppOwner::User(_) => return Err(AppsError::OwnedByOther(app.clone())),
                AppOwner::Foreign => return Err(AppsError::Foreign(app.clone())),
                AppOwner::None if !creates_app => return Err(AppsError::NamespaceGone(app.clone())),
                AppOwner::None if self.has_allow_list() => {
                    self.adopt(app, claimant).await?;
                    return Ok(ClaimOutcome::Created);
                }
                AppOwner::None => {}
            }
        }
        Err(AppsError::BeingDeleted(app.clone()))
    }

    /// Returns false if the namespace exists already.
    async fn create(&self, app: &AppName, owner: &UserName) -> Result<bool, AppsError> {
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let (params, manifest) = (PostParams::default(), namespace_manifest(app, owner, &self.installation));
        match with_retries("creating the namespace", || namespaces.create(&params, &manifest)).await {
            Ok(_) => {
                self.cache.wait_visible(app, true).await;
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

    use super::*;
    use crate::testing::{fake_api_server, not_found};

    #[tokio::test]
    async fn a_namespace_is_created_only_for_a_claimant_who_creates_the_app() {
        let (app, claimant): (AppName, UserName) = ("web".parse().unwrap(), "alice".parse().unwrap());
        // This API server has no namespace, and creates every one that is requested.
        let client = fake_api_server(|request| match *request.method() {
            Method::POST => (201, json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": { "name": "web" } })),
            _ => not_found(),
        });
        let apps = Apps::new(client, NamespaceScope::AllNamespaces, "slipway");
        assert_eq!(apps.claim(&app, &claimant, false, true).await.unwrap(), ClaimOutcome::Created);
        let gone = apps.claim(&app, &claimant, true, false).await.unwrap_err();
        assert_eq!(gone.to_string(), "the namespace of web no longer exists; push again");
    }
}
