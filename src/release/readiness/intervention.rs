//! A change of an object's pod template by another client, while the rollout of the object is watched.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::DynamicObject;
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::domain::labels::FIELD_MANAGER;
use crate::k8s::with_timeout;

const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Describes the change: the client that replaced the template, and the images that the object runs instead.
pub(super) async fn describe_replacement(api: &Api<DynamicObject>, name: &str) -> String {
    // The watches leave out the managed fields.
    match with_timeout("reading an object that was changed", READ_TIMEOUT, api.get(name)).await {
        Ok(live) => describe(&live),
        Err(error) => {
            tracing::debug!(%error, name, "cannot read an object that was changed");
            "another client replaced its pod template during the rollout".to_owned()
        }
    }
}

fn describe(live: &DynamicObject) -> String {
    let manager = last_manager(live).unwrap_or("another client");
    let images = images(live).into_iter().collect::<Vec<_>>().join(", ");
    format!("{manager} replaced its pod template during the rollout; it now runs {images}")
}

/// The field manager that changed the pod template last. Helm and slipway have the same one.
fn last_manager(live: &DynamicObject) -> Option<&str> {
    let has_template = |entry: &&ManagedFieldsEntry| {
        entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer("/f:spec/f:template").is_some())
    };
    // Times are whole seconds: in the second of the apply, another manager came later.
    let by_time = |entry: &&ManagedFieldsEntry| {
        (entry.time.as_ref().map(|time| time.0), entry.manager.as_deref() != Some(FIELD_MANAGER))
    };
    live.managed_fields().iter().filter(has_template).max_by_key(by_time)?.manager.as_deref()
}

fn images(live: &DynamicObject) -> BTreeSet<&str> {
    let containers = live.data.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    containers.into_iter().flatten().filter_map(|container| container.get("image")?.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn describe_with(entries: &Value) -> String {
        let object = json!({"metadata": {"name": "a", "managedFields": entries},
                            "spec": {"template": {"spec": {"containers": [{"image": "r/a:1"}, {"image": "r/b:2"}]}}}});
        describe(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn the_client_that_changed_the_template_last_is_named() {
        let entry = |manager: &str, time: &str, fields: Value| json!({"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields});
        let template = || json!({"f:spec": {"f:template": {}}});
        let (apply, later) = ("2026-11-21T03:00:00Z", "2026-11-21T03:00:09Z");
        let text = describe_with(&json!([
            entry("kubectl-rollout", apply, template()),
            entry("helm", apply, template()),
            entry("kube-controller-manager", later, json!({"f:status": {}})),
            entry("kubectl-scale", later, json!({"f:spec": {"f:replicas": {}}})),
        ]));
        assert_eq!(text, "kubectl-rollout replaced its pod template during the rollout; it now runs r/a:1, r/b:2");
        let text = describe_with(&json!([entry("kubectl-edit", apply, template()), entry("helm", later, template())]));
        assert!(text.starts_with("helm replaced"), "{text}");
        assert!(describe_with(&json!([])).starts_with("another client replaced"));
    }
}
