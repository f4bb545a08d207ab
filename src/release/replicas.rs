//! How many pods a workload has is decided by whoever scales it, never by a release.
//!
//! slipway's charts state no count. Those of others, in a release that helm installed or upgraded, do: server-side apply
//! would take such a count away together with the chart that stated it, and set one again that a rollback finds.

use kube::ResourceExt;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::catalog::{Catalog, Place};
use super::error::ReleaseError;
use super::lock::AppLock;
use super::plan::ObjectId;
use crate::clusters::call;
use crate::domain::Manifest;
use crate::domain::labels::FIELD_MANAGER;

/// The field manager that keeps a count which no manifest states any more.
const KEEPER: &str = "slipway-replicas";

/// The manifests without the counts of what exists already: a count is only what a new object starts with.
pub(super) async fn leave_out(
    catalog: &mut Catalog,
    mut manifests: Vec<Manifest>,
) -> Result<Vec<Manifest>, ReleaseError> {
    for manifest in manifests.iter_mut().filter(|manifest| states_count(manifest)) {
        let (id, place) = (ObjectId::of(manifest), catalog.find(manifest).await?);
        let exists = read(&place, &id).await?.is_some();
        if let Some(spec) = manifest.object.get_mut("spec").and_then(Value::as_object_mut).filter(|_| exists) {
            spec.remove("replicas");
        }
    }
    Ok(manifests)
}

/// Keeps the counts that `old` stated and `new` does not, as they are now.
pub(super) async fn keep(
    lock: &AppLock,
    catalog: &mut Catalog,
    old: &[Manifest],
    new: &[Manifest],
) -> Result<(), ReleaseError> {
    for manifest in new.iter().filter(|manifest| is_scaled(manifest) && !states_count(manifest)) {
        let id = ObjectId::of(manifest);
        if !old.iter().any(|old| ObjectId::of(old) == id && states_count(old)) {
            continue;
        }
        let place = catalog.find(manifest).await?;
        if let Some(live) = read(&place, &id).await?.filter(is_counted_by_helm) {
            hand_over(lock, &place, &id, &live).await?;
        }
    }
    Ok(())
}

/// Makes another manager state the count as well, so that it stays when ours states it no more.
async fn hand_over(lock: &AppLock, place: &Place, id: &ObjectId, live: &DynamicObject) -> Result<(), ReleaseError> {
    let Some(count) = live.data.pointer("/spec/replicas") else { return Ok(()) };
    let statement = json!({"apiVersion": place.api_version, "kind": id.kind, "metadata": {"name": id.name},
                           "spec": {"replicas": count}});
    let (params, patch) = (PatchParams::apply(KEEPER), Patch::Apply(&statement));
    let doing = format!("keeping the count of {id}");
    match lock.guard(call(doing, || place.objects.patch(&id.name, &params, &patch))).await? {
        // It was scaled this very moment, and is its scaler's now.
        Err(error) if error.is_conflict() => Ok(()),
        result => Ok(result.map(drop)?),
    }
}

async fn read(place: &Place, id: &ObjectId) -> Result<Option<DynamicObject>, ReleaseError> {
    Ok(call(format!("reading {id}"), || place.objects.get_opt(&id.name)).await?)
}

fn is_scaled(manifest: &Manifest) -> bool {
    manifest.api_version().starts_with("apps/") && matches!(manifest.kind(), "Deployment" | "StatefulSet")
}

fn states_count(manifest: &Manifest) -> bool {
    is_scaled(manifest) && manifest.object.pointer("/spec/replicas").is_some()
}

/// Whether the count would vanish with the next server-side apply that does not state it.
fn is_counted_by_helm(live: &DynamicObject) -> bool {
    live.managed_fields().iter().any(|entry| {
        let ours = entry.manager.as_deref() == Some(FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply");
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        ours && fields.is_some_and(|fields| fields.pointer("/f:spec/f:replicas").is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_helm_applied_on_the_servers_side_would_take_the_count_along() {
        let live = |manager: &str, operation: &str, fields: Value| -> DynamicObject {
            let entry = json!({"manager": manager, "operation": operation, "fieldsV1": fields});
            serde_json::from_value(json!({"metadata": {"name": "a", "managedFields": [entry]}})).unwrap()
        };
        let count = || json!({"f:spec": {"f:replicas": {}}});
        assert!(is_counted_by_helm(&live("helm", "Apply", count())));
        assert!(!is_counted_by_helm(&live("helm", "Update", count())));
        assert!(!is_counted_by_helm(&live("kubectl", "Apply", count())));
        assert!(!is_counted_by_helm(&live("helm", "Apply", json!({"f:spec": {"f:template": {}}}))));
    }

    #[test]
    fn a_count_is_that_of_a_workload() {
        let manifest = |kind: &str, spec: Value| Manifest {
            source: String::new(),
            object: json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec}),
        };
        assert!(states_count(&manifest("Deployment", json!({"replicas": 0}))));
        assert!(!states_count(&manifest("Deployment", json!({}))));
        assert!(!states_count(&manifest("DaemonSet", json!({"replicas": 1}))));
    }
}
