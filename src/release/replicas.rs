//! The replica count of a workload belongs to its scaler (a person or an autoscaler), never to a release.
//!
//! slipway's charts set no `replicas`. A release that helm installed or upgraded may set it: server-side apply would
//! remove the count together with the old chart, or set it again in a rollback.

use std::collections::BTreeMap;

use kube::ResourceExt;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::apply_mode::OnFieldConflict;
use super::discovery::{ApiDiscovery, ResolvedResource};
use super::error::StepError;
use super::lock::ReleaseLock;
use super::object_id::ObjectId;
use crate::domain::Manifest;
use crate::domain::labels::{self, FIELD_MANAGER};
use crate::k8s::with_retries;

/// The field manager that owns a replica count which no manifest sets any more.
const REPLICAS_MANAGER: &str = "slipway-replicas";

/// Removes `replicas` from the manifests of objects that exist: only a new object starts with the manifest's count.
pub(super) async fn omit_existing_replicas(
    discovery: &mut ApiDiscovery,
    mut manifests: Vec<Manifest>,
) -> Result<Vec<Manifest>, StepError> {
    for manifest in manifests.iter_mut().filter(|manifest| sets_replicas(manifest)) {
        let (id, resource) = (ObjectId::from_manifest(manifest), discovery.resolve(manifest).await?);
        let exists = read(&resource, &id).await?.is_some();
        if let Some(spec) = manifest.object.get_mut("spec").and_then(Value::as_object_mut).filter(|_| exists) {
            spec.remove("replicas");
        }
    }
    Ok(manifests)
}

/// Whether `new` is a workload for which `old` set `replicas` and `new` does not. Pure.
pub(super) fn sets_replicas_no_longer(new: &Manifest, old: &[Manifest]) -> bool {
    let id = ObjectId::from_manifest(new);
    let is_set_by = |old: &Manifest| ObjectId::from_manifest(old) == id && sets_replicas(old);
    is_scalable(new) && !sets_replicas(new) && old.iter().any(is_set_by)
}

/// Keeps the live count of a workload whose manifest no longer sets it.
pub(super) async fn preserve_replicas(
    lock: &ReleaseLock,
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
) -> Result<(), StepError> {
    let (id, resource) = (ObjectId::from_manifest(manifest), discovery.resolve(manifest).await?);
    match read(&resource, &id).await?.filter(is_count_applied_by_helm) {
        Some(live) => match live.data.pointer("/spec/replicas").and_then(Value::as_u64) {
            Some(count) => share_count(lock, &resource, &id, &live, ReplicaCount::unforced(count)).await.map(drop),
            None => Ok(()),
        },
        None => Ok(()),
    }
}

/// A count that is applied with [`REPLICAS_MANAGER`].
pub(super) struct ReplicaCount {
    pub count: u64,
    /// The count before, which an undo restores.
    pub before: Option<u64>,
    pub on_conflict: OnFieldConflict,
}

impl ReplicaCount {
    pub fn unforced(count: u64) -> Self {
        Self { count, before: None, on_conflict: OnFieldConflict::Refuse }
    }
}

/// Applies a count with a second manager, so that the count stays when the release's own manager does not set it. Returns the
/// changed object; `None` if another scaler prevented the change.
pub(super) async fn share_count(
    lock: &ReleaseLock,
    resource: &ResolvedResource,
    id: &ObjectId,
    live: &DynamicObject,
    count: ReplicaCount,
) -> Result<Option<DynamicObject>, StepError> {
    let ReplicaCount { count, before, on_conflict } = count;
    let annotations: BTreeMap<_, _> =
        before.map(|before| (labels::REPLICAS_BEFORE, before.to_string())).into_iter().collect();
    // With the UID, an object that was deleted since the read is not created.
    let metadata = json!({"name": id.name, "uid": live.uid(), "annotations": annotations});
    let object = json!({"apiVersion": resource.api_version, "kind": id.kind, "metadata": metadata,
                        "spec": {"replicas": count}});
    let force = on_conflict == OnFieldConflict::Force;
    let (params, patch) = (PatchParams { force, ..PatchParams::apply(REPLICAS_MANAGER) }, Patch::Apply(&object));
    let action = format!("setting the replicas of {id}");
    match lock.guard(with_retries(action, || resource.api.patch(&id.name, &params, &patch))).await? {
        // A scaler changed the count since the read and owns it now, or the object is gone.
        Err(error) if error.is_conflict() => Ok(None),
        result => Ok(Some(result?)),
    }
}

pub(super) async fn read(resource: &ResolvedResource, id: &ObjectId) -> Result<Option<DynamicObject>, StepError> {
    Ok(with_retries(format!("reading {id}"), || resource.api.get_opt(&id.name)).await?)
}

fn is_scalable(manifest: &Manifest) -> bool {
    manifest.api_version().starts_with("apps/") && matches!(manifest.kind(), "Deployment" | "StatefulSet")
}

fn sets_replicas(manifest: &Manifest) -> bool {
    is_scalable(manifest) && manifest.object.pointer("/spec/replicas").is_some()
}

/// Whether the next server-side apply without `replicas` would remove the count.
fn is_count_applied_by_helm(live: &DynamicObject) -> bool {
    live.managed_fields().iter().any(|entry| {
        let is_helms = entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply");
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        is_helms && fields.is_some_and(|fields| fields.pointer("/f:spec/f:replicas").is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_side_apply_of_helm_owns_the_count() {
        let live = |manager: &str, operation: &str, fields: Value| -> DynamicObject {
            let entry = json!({"manager": manager, "operation": operation, "fieldsV1": fields});
            serde_json::from_value(json!({"metadata": {"name": "a", "managedFields": [entry]}})).unwrap()
        };
        let count = || json!({"f:spec": {"f:replicas": {}}});
        assert!(is_count_applied_by_helm(&live("helm", "Apply", count())));
        assert!(!is_count_applied_by_helm(&live("helm", "Update", count())));
        assert!(!is_count_applied_by_helm(&live("kubectl", "Apply", count())));
        assert!(!is_count_applied_by_helm(&live("helm", "Apply", json!({"f:spec": {"f:template": {}}}))));
    }

    #[test]
    fn only_a_scalable_workload_sets_replicas() {
        let manifest = |kind: &str, spec: Value| Manifest {
            source: String::new(),
            object: json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}),
        };
        assert!(sets_replicas(&manifest("Deployment", json!({"replicas": 0}))));
        assert!(!sets_replicas(&manifest("Deployment", json!({}))));
        assert!(!sets_replicas(&manifest("DaemonSet", json!({"replicas": 1}))));
    }
}
