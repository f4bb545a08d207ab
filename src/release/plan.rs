//! In which order objects are applied and deleted, and which ones go. Pure.

use std::collections::BTreeSet;
use std::fmt;

use kube::api::DynamicObject;
use serde_json::Value;

use super::error::ReleaseError;
use crate::domain::{Manifest, Revision};

/// The order in which Helm installs the kinds that live in a namespace: what others need comes first. Kinds that are
/// not listed follow at the end.
const ORDER: [&str; 19] = [
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "PersistentVolumeClaim",
    "Role",
    "RoleBinding",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
];

/// An annotation of Helm's: what carries it with the value `keep` is never deleted.
pub const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// Which object it is, across revisions and API versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId {
    /// The API group, empty for the core.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The name in the app's namespace.
    pub name: String,
}

impl ObjectId {
    /// The identity of an object in a manifest.
    pub fn of(manifest: &Manifest) -> Self {
        let group = manifest.api_version().split_once('/').map_or("", |(group, _)| group);
        Self { group: group.to_owned(), kind: manifest.kind().to_owned(), name: manifest.name().to_owned() }
    }

    /// The identity of an object that the server returned.
    pub fn of_live(object: &DynamicObject) -> Option<Self> {
        let types = object.types.as_ref()?;
        let group = types.api_version.split_once('/').map_or("", |(group, _)| group);
        Some(Self { group: group.to_owned(), kind: types.kind.clone(), name: object.metadata.name.clone()? })
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.to_lowercase(), self.name)
    }
}

/// The objects in the order in which they are applied.
pub fn apply_order(manifests: &[Manifest]) -> Vec<&Manifest> {
    let mut ordered: Vec<_> = manifests.iter().collect();
    ordered.sort_by_key(|manifest| rank(manifest.kind()));
    ordered
}

/// What the `old` manifests had and `new` has not, in the order in which it is deleted: the reverse of applying.
pub fn prune<'a>(old: impl IntoIterator<Item = &'a Manifest>, new: &[Manifest]) -> Vec<&'a Manifest> {
    let mut gone = difference(old, new);
    gone.retain(|manifest| !is_kept(&manifest.object));
    gone.sort_by_key(|manifest| std::cmp::Reverse(rank(manifest.kind())));
    gone
}

/// The objects of `these`, each once, that are not among `those`.
pub fn difference<'a>(these: impl IntoIterator<Item = &'a Manifest>, those: &[Manifest]) -> Vec<&'a Manifest> {
    let mut seen: BTreeSet<_> = those.iter().map(ObjectId::of).collect();
    these.into_iter().filter(|manifest| seen.insert(ObjectId::of(manifest))).collect()
}

/// Whether an object says that it must not be deleted.
pub fn is_kept(object: &Value) -> bool {
    annotation(object, RESOURCE_POLICY).is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep"))
}

/// Whether a live object belongs to the release `name` in the namespace of that name, by the marks that Helm demands.
pub fn belongs_to(object: &Value, name: &str) -> bool {
    let managed = object.pointer("/metadata/labels/app.kubernetes.io~1managed-by").and_then(Value::as_str);
    managed == Some("Helm")
        && annotation(object, "meta.helm.sh/release-name") == Some(name)
        && annotation(object, "meta.helm.sh/release-namespace") == Some(name)
}

/// The objects of a recorded manifest. Where each came from is known only to its comments, and not needed any more.
///
/// # Errors
/// [`ReleaseError::Manifest`] if it is not a sequence of objects.
pub fn parse(manifest: &str, revision: Revision) -> Result<Vec<Manifest>, ReleaseError> {
    let documents: Vec<Value> = serde_yaml::from_multiple(manifest)
        .map_err(|error| ReleaseError::Manifest { revision, source: Box::new(error).into() })?;
    let objects = documents.into_iter().filter(|document| !document.is_null());
    let manifests: Vec<_> = objects.map(|object| Manifest { source: String::new(), object }).collect();
    let nameless = manifests.iter().any(|m| m.api_version().is_empty() || m.kind().is_empty() || m.name().is_empty());
    if nameless {
        return Err(ReleaseError::Manifest { revision, source: "a document names no object".into() });
    }
    Ok(manifests)
}

fn rank(kind: &str) -> usize {
    ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len())
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.pointer("/metadata/annotations")?.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn manifest(api_version: &str, kind: &str, name: &str) -> Manifest {
        let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
        Manifest { source: String::new(), object }
    }

    #[test]
    fn what_others_need_is_applied_first() {
        let chart = [
            manifest("networking.k8s.io/v1", "Ingress", "a"),
            manifest("apps/v1", "Deployment", "a"),
            manifest("v1", "Service", "a"),
            manifest("example.com/v1", "Widget", "a"),
            manifest("v1", "Secret", "a"),
        ];
        let kinds: Vec<_> = apply_order(&chart).into_iter().map(Manifest::kind).collect();
        assert_eq!(kinds, ["Secret", "Service", "Deployment", "Ingress", "Widget"]);
    }

    #[test]
    fn what_is_gone_from_the_chart_is_pruned_whatever_its_version_was() {
        let old = [
            manifest("policy/v1beta1", "PodDisruptionBudget", "a"),
            manifest("v1", "ConfigMap", "a"),
            manifest("v1", "ConfigMap", "b"),
            manifest("apps/v1", "Deployment", "old"),
        ];
        let new = [manifest("policy/v1", "PodDisruptionBudget", "a"), manifest("v1", "ConfigMap", "b")];
        let gone: Vec<_> = prune(&old, &new).into_iter().map(|m| ObjectId::of(m).to_string()).collect();
        assert_eq!(gone, ["deployment/old", "configmap/a"]);
    }

    #[test]
    fn what_says_keep_is_kept() {
        let mut claim = manifest("v1", "PersistentVolumeClaim", "data");
        claim.object["metadata"]["annotations"] = json!({RESOURCE_POLICY: "keep"});
        assert_eq!(prune(&[claim], &[]), Vec::<&Manifest>::new());
    }

    #[test]
    fn a_live_object_belongs_to_a_release_only_with_all_of_helms_marks() {
        let mut object = json!({"metadata": {
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "a", "meta.helm.sh/release-namespace": "a"},
        }});
        assert!(belongs_to(&object, "a"));
        assert!(!belongs_to(&object, "b"));
        object["metadata"]["labels"] = json!({});
        assert!(!belongs_to(&object, "a"));
    }

    #[test]
    fn a_recorded_manifest_is_read_again() {
        let text = "---\n# Source: a/templates/x.yaml\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\n---\n\
                    # Source: a/templates/y.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: b\n---\n";
        let names: Vec<_> = parse(text, Revision(1)).unwrap().iter().map(|m| ObjectId::of(m).to_string()).collect();
        assert_eq!(names, ["service/a", "deployment/b"]);
        assert_eq!(parse("", Revision(1)).unwrap(), []);
        for broken in ["a: [", "- 1", "kind: Service", "---\nx: 1\n---\na: b: c"] {
            assert!(parse(broken, Revision(1)).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn old_is_either_kept_in_the_chart_or_pruned(
            old in proptest::collection::vec((0..4usize, 0..4usize), 0..12),
            new in proptest::collection::vec((0..4usize, 0..4usize), 0..12),
        ) {
            let kinds = ["ConfigMap", "Service", "Deployment", "Widget"];
            let build = |pairs: &[(usize, usize)]| -> Vec<Manifest> {
                pairs.iter().map(|(kind, name)| manifest("v1", kinds[*kind], &format!("n{name}"))).collect()
            };
            let (old, new) = (build(&old), build(&new));
            let gone: Vec<_> = prune(&old, &new).into_iter().map(ObjectId::of).collect();
            let unique: BTreeSet<_> = gone.iter().cloned().collect();
            prop_assert_eq!(unique.len(), gone.len());
            let wanted: BTreeSet<_> = new.iter().map(ObjectId::of).collect();
            let all: BTreeSet<_> = old.iter().map(ObjectId::of).collect();
            prop_assert_eq!(all.difference(&wanted).cloned().collect::<BTreeSet<_>>(), unique);
        }
    }
}
