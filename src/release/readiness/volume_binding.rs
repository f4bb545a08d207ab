//! Whether the StorageClass of a PersistentVolumeClaim delays its binding.

use std::time::Duration;

use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::DynamicObject;
use kube::{Api, Client};
use serde_json::Value;

use crate::k8s::with_timeout;

const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether `object` is a PersistentVolumeClaim that is bound only once a pod uses it. A class that slipway may not read
/// counts as such: the pods that use the claim do not become ready before it is bound.
pub(super) async fn waits_for_first_consumer(client: &Client, object: &DynamicObject) -> bool {
    let is_claim = object.types.as_ref().is_some_and(|types| types.kind == "PersistentVolumeClaim");
    let class = object.data.pointer("/spec/storageClassName").and_then(Value::as_str).filter(|name| !name.is_empty());
    let Some(class) = class.filter(|_| is_claim) else { return false };
    let classes: Api<StorageClass> = Api::all(client.clone());
    match with_timeout("reading a storage class", READ_TIMEOUT, classes.get_opt(class)).await {
        Ok(Some(class)) => class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
        Ok(None) => false,
        Err(error) => {
            tracing::warn!(%error, class, "cannot read a StorageClass: not waiting for its claim to be bound");
            true
        }
    }
}
