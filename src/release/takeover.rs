//! Taking over the fields that helm 3 has set.
//!
//! Helm 3 changes objects on the client's side: the API server notes its fields as updated, not as applied. What is only
//! applied later never gives up such a field, so that what helm 3 had set would stay for ever. Kubernetes' own way out is
//! to note the fields as applied (`csaupgrade` in client-go, which helm 4 uses as well).

use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::catalog::{Catalog, Place};
use super::error::ReleaseError;
use super::lock::AppLock;
use super::plan::ObjectId;
use crate::clusters::{CallError, call};
use crate::domain::Manifest;
use crate::domain::labels::FIELD_MANAGER;

/// How often an object is read again that someone else changed in the meantime.
const RACES: usize = 3;

/// Notes what helm updated in the objects as applied.
pub(super) async fn take_over(
    lock: &AppLock,
    catalog: &mut Catalog,
    manifests: &[Manifest],
) -> Result<(), ReleaseError> {
    for manifest in manifests {
        let (id, place) = (ObjectId::of(manifest), catalog.find(manifest).await?);
        let mut result = lock.guard(take_one(&place, &id)).await?;
        for _ in 1..RACES {
            match &result {
                Err(error) if error.is_conflict() => result = lock.guard(take_one(&place, &id)).await?,
                _ => break,
            }
        }
        result?;
    }
    Ok(())
}

async fn take_one(place: &Place, id: &ObjectId) -> Result<(), CallError> {
    let Some(live) = call(format!("reading {id}"), || place.objects.get_opt(&id.name)).await? else { return Ok(()) };
    let fields = serde_json::to_value(live.managed_fields()).unwrap_or_default();
    let Some(managed) = applied(fields) else { return Ok(()) };
    let patch = Patch::Merge(json!({ "metadata": {
        "resourceVersion": live.resource_version(),
        "managedFields": managed,
    }}));
    let params = PatchParams::default();
    call(format!("taking over {id}"), || place.objects.patch(&id.name, &params, &patch)).await.map(drop)
}

/// The list of managed fields with helm's updates as part of what it applies; `None` if there are none. Pure.
fn applied(managed: Value) -> Option<Vec<Value>> {
    let Value::Array(entries) = managed else { return None };
    let is_helms = |entry: &Value, operation: &str| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        text("manager") == FIELD_MANAGER && text("operation") == operation && text("subresource").is_empty()
    };
    let (updated, mut rest): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| is_helms(entry, "Update"));
    let mut updated = updated.into_iter();
    let first = updated.next()?;
    let place = rest.iter().position(|entry| is_helms(entry, "Apply"));
    let mut ours = match place {
        Some(place) => {
            let mut ours = rest.swap_remove(place);
            unite(&mut ours, first);
            ours
        }
        None => first,
    };
    updated.for_each(|entry| unite(&mut ours, entry));
    if let Some(ours) = ours.as_object_mut() {
        ours.insert("operation".to_owned(), "Apply".into());
    }
    rest.push(ours);
    Some(rest)
}

/// Adds another entry's fields to an entry's.
fn unite(entry: &mut Value, other: Value) {
    if let (Some(fields), Some(more)) = (entry.get_mut("fieldsV1"), other.get("fieldsV1")) {
        merge(fields, more);
    }
}

/// A set of fields is a tree of mappings: the union of two has the branches of both.
fn merge(fields: &mut Value, more: &Value) {
    let (Some(fields), Some(more)) = (fields.as_object_mut(), more.as_object()) else { return };
    for (key, branch) in more {
        merge(fields.entry(key.clone()).or_insert_with(|| json!({})), branch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields})
    }

    #[test]
    fn what_helm_updated_counts_as_applied() {
        let kubectl = entry("kubectl-edit", "Update", json!({"f:spec": {"f:replicas": {}}}));
        let helm = entry("helm", "Update", json!({"f:spec": {"f:paused": {}}}));
        let managed = applied(json!([kubectl.clone(), helm])).unwrap();
        assert_eq!(managed, [kubectl, entry("helm", "Apply", json!({"f:spec": {"f:paused": {}}}))]);
    }

    #[test]
    fn it_joins_what_was_applied_before() {
        let updated = entry("helm", "Update", json!({"f:spec": {"f:paused": {}, "f:template": {"f:a": {}}}}));
        let before = entry("helm", "Apply", json!({"f:spec": {"f:template": {".": {}, "f:b": {}}}}));
        let managed = applied(json!([updated, before])).unwrap();
        let union = json!({"f:spec": {"f:paused": {}, "f:template": {".": {}, "f:a": {}, "f:b": {}}}});
        assert_eq!(managed, [entry("helm", "Apply", union)]);
    }

    #[test]
    fn what_helm_did_not_update_is_left_alone() {
        let mut status = entry("helm", "Update", json!({"f:status": {}}));
        status["subresource"] = json!("status");
        let ours = entry("helm", "Apply", json!({"f:spec": {}}));
        assert_eq!(applied(json!([ours, status, entry("helm3", "Update", json!({}))])), None);
        assert_eq!(applied(json!([])), None);
    }
}
