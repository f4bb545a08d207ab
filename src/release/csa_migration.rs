//! Migrates managed fields from client-side to server-side apply.
//!
//! Helm 3 changes objects on the client side, and the API server records its fields with the operation `Update`. A
//! later server-side apply never removes such fields, so values that helm 3 set would stay for ever. As `csaupgrade` in
//! client-go, which helm 4 uses, this module rewrites `managedFields` to the operation `Apply`.

use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::discovery::{ApiDiscovery, ResolvedResource};
use super::error::StepError;
use super::lock::ReleaseLock;
use super::object_id::ObjectId;
use crate::domain::Manifest;
use crate::domain::labels::FIELD_MANAGER;
use crate::k8s::{ApiError, with_retries};

/// Attempts per object, for writes by others between the read and the patch: a controller writes the status at any time.
const ATTEMPTS: usize = 8;

/// Turns the `Update` entries of helm in an object's managed fields into `Apply` entries.
pub(super) async fn migrate_managed_fields(
    lock: &ReleaseLock,
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
) -> Result<(), StepError> {
    let (id, resource) = (ObjectId::from_manifest(manifest), discovery.resolve(manifest).await?);
    Ok(lock.guard(migrate_object(&resource, &id)).await??)
}

/// As [`migrate_managed_fields`], for a caller that checks the lock.
pub(super) async fn migrate_object(resource: &ResolvedResource, id: &ObjectId) -> Result<(), ApiError> {
    let mut result = try_migrate(resource, id).await;
    for _ in 1..ATTEMPTS {
        match &result {
            Err(error) if error.is_conflict() => result = try_migrate(resource, id).await,
            _ => break,
        }
    }
    result
}

async fn try_migrate(resource: &ResolvedResource, id: &ObjectId) -> Result<(), ApiError> {
    let Some(live) = with_retries(format!("reading {id}"), || resource.api.get_opt(&id.name)).await? else {
        return Ok(());
    };
    let fields = serde_json::to_value(live.managed_fields()).unwrap_or_default();
    let Some(managed) = migrated_entries(fields) else { return Ok(()) };
    let patch = Patch::Merge(json!({ "metadata": {
        "resourceVersion": live.resource_version(),
        "managedFields": managed,
    }}));
    let params = PatchParams::default();
    let action = format!("migrating the managed fields of {id}");
    match with_retries(action, || resource.api.patch(&id.name, &params, &patch)).await {
        // Deleted since the read: the apply creates it again.
        Err(error) if error.is_not_found() => Ok(()),
        result => result.map(drop),
    }
}

/// The managed fields with helm's `Update` entries merged into its `Apply` entry; `None` if helm has no `Update` entry.
/// Pure.
fn migrated_entries(managed: Value) -> Option<Vec<Value>> {
    let Value::Array(entries) = managed else { return None };
    let is_helms = |entry: &Value, operation: &str| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        text("manager") == FIELD_MANAGER && text("operation") == operation && text("subresource").is_empty()
    };
    let (updated, mut others): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| is_helms(entry, "Update"));
    let mut updated = updated.into_iter();
    let first = updated.next()?;
    let position = others.iter().position(|entry| is_helms(entry, "Apply"));
    let mut applied = match position {
        Some(position) => {
            let mut applied = others.swap_remove(position);
            merge_fields(&mut applied, first);
            applied
        }
        None => first,
    };
    updated.for_each(|entry| merge_fields(&mut applied, entry));
    if let Some(applied) = applied.as_object_mut() {
        applied.insert("operation".to_owned(), "Apply".into());
    }
    others.push(applied);
    Some(others)
}

/// Adds the fields of the entry `other` to `entry`.
fn merge_fields(entry: &mut Value, other: Value) {
    if let (Some(fields), Some(more)) = (entry.get_mut("fieldsV1"), other.get("fieldsV1")) {
        merge_field_sets(fields, more);
    }
}

/// A field set is a tree of mappings: the union of two sets has the branches of both.
fn merge_field_sets(fields: &mut Value, more: &Value) {
    let (Some(fields), Some(more)) = (fields.as_object_mut(), more.as_object()) else { return };
    for (key, branch) in more {
        merge_field_sets(fields.entry(key.clone()).or_insert_with(|| json!({})), branch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields})
    }

    #[test]
    fn an_update_of_helm_becomes_an_apply() {
        let kubectl = entry("kubectl-edit", "Update", json!({"f:spec": {"f:replicas": {}}}));
        let helm = entry("helm", "Update", json!({"f:spec": {"f:paused": {}}}));
        let managed = migrated_entries(json!([kubectl.clone(), helm])).unwrap();
        assert_eq!(managed, [kubectl, entry("helm", "Apply", json!({"f:spec": {"f:paused": {}}}))]);
    }

    #[test]
    fn an_update_of_helm_is_merged_into_its_apply() {
        let updated = entry("helm", "Update", json!({"f:spec": {"f:paused": {}, "f:template": {"f:a": {}}}}));
        let before = entry("helm", "Apply", json!({"f:spec": {"f:template": {".": {}, "f:b": {}}}}));
        let managed = migrated_entries(json!([updated, before])).unwrap();
        let union = json!({"f:spec": {"f:paused": {}, "f:template": {".": {}, "f:a": {}, "f:b": {}}}});
        assert_eq!(managed, [entry("helm", "Apply", union)]);
    }

    #[test]
    fn other_managers_and_the_status_are_left_alone() {
        let mut status = entry("helm", "Update", json!({"f:status": {}}));
        status["subresource"] = json!("status");
        let applied = entry("helm", "Apply", json!({"f:spec": {}}));
        assert_eq!(migrated_entries(json!([applied, status, entry("helm3", "Update", json!({}))])), None);
        assert_eq!(migrated_entries(json!([])), None);
    }
}
