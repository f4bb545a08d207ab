//! Pod templates: whether an object still has the one that was applied, and which ReplicaSet has it. Pure.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::Value;

/// The label that distinguishes the pods of a Deployment's ReplicaSets.
const HASH_LABEL: &str = "pod-template-hash";

/// Whether `live` has every field of `applied` with the same value. Additions do not matter: `kubectl rollout restart`
/// adds an annotation, and some controllers add variables.
pub(super) fn includes(live: &Value, applied: &Value) -> bool {
    match (live, applied) {
        (_, Value::Null) => true,
        (Value::Object(live), Value::Object(applied)) => {
            applied.iter().all(|(name, value)| includes(live.get(name).unwrap_or(&Value::Null), value))
        }
        // The order of containers, variables and volumes does not matter; that of arguments does.
        (Value::Array(live), Value::Array(applied)) if applied.iter().all(Value::is_object) => {
            applied.iter().all(|value| live.iter().any(|live| includes(live, value)))
        }
        _ => live == applied,
    }
}

/// Whether a Deployment with this template has its pods in `set`. The Deployment's controller finds the set in the same
/// way.
pub(super) fn has_template(set: &ReplicaSet, template: &PodTemplateSpec) -> bool {
    let of_set = set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default();
    without_hash(of_set) == without_hash(template.clone())
}

fn without_hash(mut template: PodTemplateSpec) -> Value {
    if let Some(labels) = template.metadata.as_mut().and_then(|metadata| metadata.labels.as_mut()) {
        labels.remove(HASH_LABEL);
    }
    without_empty(serde_json::to_value(template).unwrap_or_default())
}

/// Removes empty lists, which mean the same as absent ones. Empty maps such as `emptyDir: {}` have a meaning.
fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().map(|(name, value)| (name, without_empty(value)));
            kept.filter(|(_, value)| !value.is_null() && *value != Value::Array(Vec::new())).collect()
        }
        Value::Array(items) => items.into_iter().map(without_empty).collect(),
        other => other,
    }
}
