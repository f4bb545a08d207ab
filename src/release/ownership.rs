//! Helm's metadata on objects: which release owns an object, and whether it may be deleted. Pure.

use serde_json::Value;

use crate::domain::Target;

/// Helm's annotation for objects that no uninstall, upgrade or rollback may delete: its value is `keep`.
pub(super) const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// Whether the object must not be deleted.
pub(super) fn has_keep_policy(object: &Value) -> bool {
    annotation(object, RESOURCE_POLICY).is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep"))
}

/// Whether a live object has the label and the annotations that Helm demands of the objects of a release.
pub(super) fn is_owned_by_release(object: &Value, target: &Target) -> bool {
    let managed_by = object.pointer("/metadata/labels/app.kubernetes.io~1managed-by").and_then(Value::as_str);
    managed_by == Some("Helm")
        && annotation(object, "meta.helm.sh/release-name") == Some(target.release.as_str())
        && annotation(object, "meta.helm.sh/release-namespace") == Some(target.namespace.as_str())
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ClusterName;

    #[test]
    fn a_release_owns_a_live_object_only_with_all_of_helms_metadata() {
        let mut object = json!({"metadata": {
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"},
        }});
        let target = |namespace: &str, release: &str| Target {
            cluster: ClusterName::home(),
            namespace: namespace.parse().unwrap(),
            release: release.parse().unwrap(),
        };
        assert!(is_owned_by_release(&object, &target("shop", "web")));
        for (namespace, release) in [("shop", "shop"), ("web", "web"), ("shop", "worker")] {
            assert!(!is_owned_by_release(&object, &target(namespace, release)), "{release} in {namespace}");
        }
        object["metadata"]["labels"] = json!({});
        assert!(!is_owned_by_release(&object, &target("shop", "web")));
    }
}
