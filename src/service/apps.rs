//! Apps: listing, adopting and deleting them.

use jiff::Timestamp;
use serde::Serialize;

use super::adoption;
use super::answers::{DeletionOutcome, Release};
use super::error::ServiceError;
use super::handle::{Caller, Service};
use crate::apps::App;
use crate::auth::{PushGrant, authorize_adoption, authorize_read};
use crate::domain::{AppName, AppOwner, Progress, UserName};

/// An app that the caller may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppSummary {
    pub app: AppName,
    pub created: Option<Timestamp>,
    pub owner: UserName,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptRequest {
    /// The name of the namespace, and of the app that it becomes.
    pub app: AppName,
    /// The owner of the app; by default the caller.
    pub owner: Option<UserName>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdoptedApp {
    pub app: AppName,
    pub owner: UserName,
    /// The newest revision of the namespace's Helm release, if it has one of the app's name.
    pub release: Option<Release>,
    /// Objects of the release that slipway leaves alone, with the reason: those outside of the namespace, and hooks.
    pub unmanaged: Vec<String>,
    /// Whether the owner can log in.
    pub owner_has_key: bool,
}

/// A deletion that the caller is authorized for and has not confirmed yet.
#[derive(Debug)]
#[must_use = "nothing is deleted yet"]
pub struct UnconfirmedDeletion(PushGrant);

/// A deletion that the caller has confirmed. Only [`UnconfirmedDeletion::confirm`] makes one.
#[derive(Debug)]
#[must_use = "nothing is deleted yet"]
pub struct ConfirmedDeletion(PushGrant);

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeletedApp {
    pub app: AppName,
    pub namespace: DeletionOutcome,
}

impl UnconfirmedDeletion {
    /// Protects against accidental deletion: the caller has to repeat the name of the app.
    ///
    /// # Errors
    /// [`ServiceError::NotConfirmed`]
    pub fn confirm(self, typed: &str) -> Result<ConfirmedDeletion, ServiceError> {
        match typed == self.0.app().as_str() {
            true => Ok(ConfirmedDeletion(self.0)),
            false => Err(ServiceError::NotConfirmed(self.0.app().clone())),
        }
    }
}

impl Service {
    /// The apps that the caller may read, ordered by name.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn list_apps(&self, caller: &Caller) -> Result<Vec<AppSummary>, ServiceError> {
        let mut apps = self.deployer.apps.list_cached().await?;
        apps.retain(|app| authorize_read(&caller.identity, &app.name, &AppOwner::User(app.owner.clone())).is_ok());
        Ok(apps
            .into_iter()
            .map(|App { name: app, owner, created, environment: _ }| AppSummary { app, created, owner })
            .collect())
    }

    /// Turns a namespace that slipway did not create, with its Helm release, into an app.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn adopt(&self, caller: &Caller, request: AdoptRequest) -> Result<AdoptedApp, ServiceError> {
        let AdoptRequest { app, owner } = request;
        if *app.as_str() == *self.namespace {
            return Err(ServiceError::OwnNamespace(app));
        }
        let apps = &self.deployer.apps;
        let grant = authorize_adoption(&caller.identity, &app, &apps.find_owner(&app).await?, owner)?;
        let (release, unmanaged) = adoption::adopt(apps, &self.deployer.cluster, &app, grant.owner()).await?;
        tracing::info!(%app, owner = %grant.owner(), release = release.is_some(), "adopted a namespace");
        let (owner, owner_has_key) = (grant.owner().clone(), self.keys.has_key_of(grant.owner()));
        Ok(AdoptedApp { app, owner, release, unmanaged, owner_has_key })
    }

    /// Authorizes the deletion of an app. The caller has to confirm it before [`Service::destroy`] takes it.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn authorize_destroy(&self, caller: &Caller, app: &AppName) -> Result<UnconfirmedDeletion, ServiceError> {
        Ok(UnconfirmedDeletion(self.authorize_change(caller, app).await?))
    }

    /// Deletes an app: its release, its namespace and its repository.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn destroy(
        &self,
        caller: &Caller,
        deletion: ConfirmedDeletion,
        progress: &Progress,
    ) -> Result<DeletedApp, ServiceError> {
        let ConfirmedDeletion(grant) = deletion;
        let app = grant.app().clone();
        // Excludes pushes until the repository is removed.
        let _exclusive = self.lock_repository_for_deletion(&app, progress).await?;
        // Another user may have the name by now: the confirmation took as long as its reader.
        let grant = self.authorize_change(caller, &app).await?;
        self.repositories.mark_destroyed(&app).await?;
        let namespace = match self.deployer.destroy(&grant, caller.remote, progress).await {
            Ok(namespace) => namespace,
            Err(error) => {
                // The namespace may be gone in the end.
                self.remove_repository_later(app);
                return Err(error.into());
            }
        };
        self.repositories.remove(&app).await?;
        Ok(DeletedApp { app, namespace })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{AppCreationPolicy, Identity, authorize_push};

    #[test]
    fn a_deletion_is_confirmed_by_the_exact_name_of_the_app() {
        let app: AppName = "web".parse().unwrap();
        let identity = Identity { user: "alice".parse().unwrap(), admin: false, fingerprint: "SHA256:x".into() };
        let owner = AppOwner::User(identity.user.clone());
        let deletion =
            || UnconfirmedDeletion(authorize_push(&identity, &app, &owner, AppCreationPolicy::Anyone).unwrap());
        for typed in ["", "we", "webs", "Web", "yes"] {
            let error = deletion().confirm(typed).unwrap_err();
            assert_eq!(error.to_string(), "the name does not match web: nothing was deleted");
        }
        assert!(deletion().confirm("web").is_ok());
    }

    #[test]
    fn an_app_is_printed_with_its_keys_in_order() {
        let app = AppSummary { app: "web".parse().unwrap(), created: None, owner: "alice".parse().unwrap() };
        assert_eq!(serde_json::to_string(&app).unwrap(), r#"{"app":"web","created":null,"owner":"alice"}"#);
    }
}
