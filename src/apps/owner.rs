//! The owner of an app, read from its namespace.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{ListParams, PartialObjectMeta};

use super::app::{is_being_deleted, read_owner};
use super::error::AppsError;
use super::handle::Apps;
use crate::domain::{AppName, AppOwner};
use crate::k8s::{ApiError, with_retries};

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
                AppOwner::Foreign if self.has_allow_list() && !self.has_release(app).await? => Ok(AppOwner::None),
                owner => Ok(owner),
            },
        }
    }

    /// With an allow list, slipway may read a namespace only by a Role inside it, which is deleted with the namespace:
    /// the API server then responds with 403 instead of 404.
    pub(super) fn forbidden_as_none<T>(&self, result: Result<Option<T>, ApiError>) -> Result<Option<T>, AppsError> {
        match result {
            Err(error) if self.has_allow_list() && error.is_forbidden() => Ok(None),
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
}
