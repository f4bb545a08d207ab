//! Helm's metadata on objects: which release owns an object, and whether it may be deleted. Pure.
//!
//! As in Helm, a manifest needs no ownership metadata, and each object gets it when it is applied: the recorded
//! manifest of a revision that helm deployed has none.

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Map, Value, json};

use crate::domain::Target;

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const RELEASE_NAME: &str = "meta.helm.sh/release-name";
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";
/// Helm's annotation for objects that no uninstall, upgrade or rollback may delete: its value is `keep`.
pub(super) const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// Helm runs objects with this annotation as hooks, and keeps them apart from those of the release.
const HOOK: &str = "helm.sh/hook";

/// Whether the object must not be deleted.
pub(super) fn has_keep_policy(object: &Value) -> bool {
    annotation(object, RESOURCE_POLICY).is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep"))
}

pub(super) fn is_hook(object: &Value) -> bool {
    annotation(object, HOOK).is_some()
}

/// The namespace that the object states.
pub(super) fn namespace(object: &Value) -> Option<&str> {
    object.pointer("/metadata/namespace")?.as_str().filter(|namespace| !namespace.is_empty())
}

/// Why a live object of an earlier revision may not be deleted; `None` if it may.
pub(super) fn reason_to_keep(object: &Value, target: &Target) -> Option<String> {
    if let Some(owner) = other_owner(object, target) {
        return Some(format!("it belongs to {owner} by now"));
    }
    if has_keep_policy(object) {
        return Some(format!("its annotation {RESOURCE_POLICY} says so"));
    }
    (!is_owned_by_release(object, target)).then(|| {
        format!("someone removed the label {MANAGED_BY} or an annotation of Helm's; `kubectl delete` removes it")
    })
}

/// The release that owns a live object, if that is another one.
pub(super) fn other_owner(object: &Value, target: &Target) -> Option<String> {
    let (release, namespace) = (annotation(object, RELEASE_NAME)?, annotation(object, RELEASE_NAMESPACE)?);
    let is_ours = (release, namespace) == (target.release.as_str(), target.namespace.as_str());
    (!is_ours).then(|| format!("release {release} in namespace {namespace}"))
}

/// Sets the metadata by which Helm and slipway recognize the objects of a release.
pub(super) fn set_owner(object: &mut Value, target: &Target) {
    let entries = [
        ("labels", MANAGED_BY, "Helm"),
        ("annotations", RELEASE_NAME, target.release.as_str()),
        ("annotations", RELEASE_NAMESPACE, target.namespace.as_str()),
    ];
    for (section, key, value) in entries {
        if let Some(section) = metadata_section(object, section) {
            section.insert(key.to_owned(), value.into());
        }
    }
}

/// A mapping in the metadata, which is created if it is missing or null; `None` if it is something else.
fn metadata_section<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    let section = object.get_mut("metadata")?.as_object_mut()?.entry(name).or_insert(Value::Null);
    if section.is_null() {
        *section = Value::Object(Map::new());
    }
    section.as_object_mut()
}

/// Whether a live object has the label and the annotations that Helm demands of the objects of a release.
pub(super) fn is_owned_by_release(object: &Value, target: &Target) -> bool {
    let managed_by = object.pointer("/metadata/labels").and_then(|labels| labels.get(MANAGED_BY)?.as_str());
    managed_by == Some("Helm")
        && annotation(object, RELEASE_NAME) == Some(target.release.as_str())
        && annotation(object, RELEASE_NAMESPACE) == Some(target.namespace.as_str())
}

/// The labels and annotations of a live object, for the functions of this file.
pub(super) fn live_metadata(object: &DynamicObject) -> Value {
    json!({"metadata": {"labels": object.labels(), "annotations": object.annotations()}})
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::target;

    #[test]
    fn a_release_owns_a_live_object_only_with_all_of_helms_metadata() {
        let mut object = json!({"metadata": {
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"},
        }});
        assert!(is_owned_by_release(&object, &target("shop", "web")));
        for (namespace, release) in [("shop", "shop"), ("web", "web"), ("shop", "worker")] {
            assert!(!is_owned_by_release(&object, &target(namespace, release)), "{release} in {namespace}");
        }
        object["metadata"]["labels"] = json!({});
        assert!(!is_owned_by_release(&object, &target("shop", "web")));
        assert_eq!(other_owner(&object, &target("shop", "web")), None);
        let reason =
            |object: &Value, release: &str| reason_to_keep(object, &target("shop", release)).unwrap_or_default();
        assert!(reason(&object, "web").starts_with("someone removed the label"));
        assert_eq!(reason(&object, "worker"), "it belongs to release web in namespace shop by now");
    }

    #[test]
    fn an_object_gets_its_owner_beside_its_own_metadata() {
        for metadata in [json!({}), json!({"labels": null}), json!({"annotations": {"meta.helm.sh/release-name": "x"}})]
        {
            let mut object = json!({"kind": "ConfigMap", "metadata": metadata});
            set_owner(&mut object, &target("shop", "web"));
            assert!(is_owned_by_release(&object, &target("shop", "web")), "{object}");
        }
        let mut object = json!({"metadata": {"labels": {"team": "blue"}, "annotations": {RESOURCE_POLICY: "keep"}}});
        set_owner(&mut object, &target("shop", "web"));
        assert_eq!(object["metadata"]["labels"]["team"], "blue");
        assert!(has_keep_policy(&object));
    }
}
