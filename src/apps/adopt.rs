//! Making a namespace that slipway did not make that of an app, and giving it back.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::error::AppsError;
use super::namespace::owner;
use super::reach::Apps;
use crate::clusters::call;
use crate::domain::{AppName, UserName, labels};

impl Apps {
    /// Marks an existing namespace as that of the app of its name. Nothing in it is touched.
    ///
    /// # Errors
    /// [`AppsError::Gone`] if it is not there, [`AppsError::BeingDeleted`], [`AppsError::Taken`] if it is an app's already,
    /// or becomes one at this very moment; [`AppsError`].
    pub async fn adopt(&self, app: &AppName, new_owner: &UserName) -> Result<(), AppsError> {
        self.within_reach(app)?;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = call("reading the namespace", || namespaces.get_opt(app.as_str())).await?;
        let namespace = namespace.ok_or_else(|| AppsError::Gone(app.clone()))?;
        if namespace.metadata.deletion_timestamp.is_some() {
            return Err(AppsError::BeingDeleted(app.clone()));
        }
        if owner(&namespace.metadata, app, &self.home).is_some() {
            return Err(AppsError::Taken(app.clone()));
        }
        let marks = json!({ "metadata": {
            "resourceVersion": namespace.metadata.resource_version,
            "labels": { labels::APP: app },
            "annotations": {
                labels::OWNER: new_owner, labels::INSTALLATION: self.home, labels::ADOPTED: Timestamp::now().to_string()
            },
        }});
        match mark(&namespaces, &namespace, marks).await {
            Err(AppsError::Refused { code: 409, .. }) => Err(AppsError::Taken(app.clone())),
            Ok(()) => {
                self.known.until(app, true).await;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Takes slipway's marks from a namespace that was adopted.
pub(super) async fn give_back(namespaces: &Api<Namespace>, namespace: &Namespace) -> Result<(), AppsError> {
    let none = json!({ "metadata": {
        "resourceVersion": namespace.metadata.resource_version,
        "labels": { labels::APP: null },
        "annotations": { labels::OWNER: null, labels::INSTALLATION: null, labels::ADOPTED: null },
    }});
    mark(namespaces, namespace, none).await
}

async fn mark(namespaces: &Api<Namespace>, namespace: &Namespace, marks: Value) -> Result<(), AppsError> {
    let (name, params, patch) = (namespace.name_any(), PatchParams::default(), Patch::Merge(marks));
    Ok(call("marking the namespace", || namespaces.patch_metadata(&name, &params, &patch)).await.map(drop)?)
}

/// Whether a namespace was there before its app.
pub(super) fn is_adopted(namespace: &Namespace) -> bool {
    namespace.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(labels::ADOPTED))
}
