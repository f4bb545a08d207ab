//! Adoption of a namespace that slipway did not create, and its release.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::app::{is_being_deleted, read_owner};
use super::error::AppsError;
use super::handle::Apps;
use crate::domain::{AppName, AppOwner, UserName, labels};
use crate::k8s::with_retries;

impl Apps {
    /// Whether the app's namespace existed before the app, and remains when the app is deleted.
    ///
    /// # Errors
    /// [`AppsError`]
    pub async fn is_adopted(&self, app: &AppName) -> Result<bool, AppsError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = with_retries("reading the namespace", || namespaces.get_opt(app.as_str())).await?;
        Ok(namespace.is_some_and(|namespace| is_adopted(&namespace)))
    }

    /// Adds the label and the annotations of an app to an existing namespace. The objects in the namespace stay
    /// untouched.
    ///
    /// # Errors
    /// [`AppsError::NamespaceGone`] if the namespace does not exist; [`AppsError::BeingDeleted`];
    /// [`AppsError::OwnedByOther`] if it belongs to an app already, or another client changes it concurrently;
    /// [`AppsError::OtherInstallation`]; [`AppsError`].
    pub async fn adopt(&self, app: &AppName, new_owner: &UserName) -> Result<(), AppsError> {
        self.check_in_scope(app)?;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = with_retries("reading the namespace", || namespaces.get_opt(app.as_str())).await?;
        let namespace = namespace.ok_or_else(|| AppsError::NamespaceGone(app.clone()))?;
        if is_being_deleted(&namespace.metadata) {
            return Err(AppsError::BeingDeleted(app.clone()));
        }
        match read_owner(&namespace.metadata, app, &self.installation) {
            AppOwner::User(_) => return Err(AppsError::OwnedByOther(app.clone())),
            AppOwner::OtherInstallation(other) => return Err(AppsError::other_installation(app, other)),
            AppOwner::Foreign | AppOwner::None => {}
        }
        let patch = json!({ "metadata": {
            "resourceVersion": namespace.metadata.resource_version,
            "labels": { labels::APP: app },
            "annotations": {
                labels::OWNER: new_owner,
                labels::INSTALLATION: self.installation,
                labels::ADOPTED: Timestamp::now().to_string(),
            },
        }});
        match patch_metadata(&namespaces, &namespace, patch).await {
            Err(AppsError::Refused { code: 409, .. }) => Err(AppsError::OwnedByOther(app.clone())),
            Ok(()) => {
                self.cache.wait_listed(app).await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Removes slipway's label and annotations from an adopted namespace.
pub(super) async fn release_namespace(namespaces: &Api<Namespace>, namespace: &Namespace) -> Result<(), AppsError> {
    let patch = json!({ "metadata": {
        "resourceVersion": namespace.metadata.resource_version,
        "labels": { labels::APP: null },
        "annotations": {
            labels::OWNER: null, labels::INSTALLATION: null, labels::ADOPTED: null, labels::ENVIRONMENT: null,
        },
    }});
    patch_metadata(namespaces, namespace, patch).await
}

async fn patch_metadata(namespaces: &Api<Namespace>, namespace: &Namespace, patch: Value) -> Result<(), AppsError> {
    let (name, params, patch) = (namespace.name_any(), PatchParams::default(), Patch::Merge(patch));
    let patched = with_retries("labelling the namespace", || namespaces.patch_metadata(&name, &params, &patch)).await;
    Ok(patched.map(drop)?)
}

/// Whether the namespace existed before its app.
pub(super) fn is_adopted(namespace: &Namespace) -> bool {
    namespace.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(labels::ADOPTED))
}
