//! The objects that an upgrade, a rollback or an uninstall deletes. Pure.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::object_id::ObjectId;
use super::ordering::install_rank;
use super::ownership::has_keep_policy;
use crate::domain::Manifest;

/// The objects of `old` that `new` does not have, in the order in which they are deleted: the reverse of the install
/// order.
pub(super) fn objects_to_prune<'a>(old: impl IntoIterator<Item = &'a Manifest>, new: &[Manifest]) -> Vec<&'a Manifest> {
    let mut surplus = difference(old, new);
    surplus.retain(|manifest| !has_keep_policy(&manifest.object));
    surplus.sort_by_key(|manifest| Reverse(install_rank(manifest.kind())));
    surplus
}

/// The objects of `these`, each once, that are not among `those`.
pub(super) fn difference<'a>(these: impl IntoIterator<Item = &'a Manifest>, those: &[Manifest]) -> Vec<&'a Manifest> {
    let mut seen: BTreeSet<_> = those.iter().map(ObjectId::from_manifest).collect();
    these.into_iter().filter(|manifest| seen.insert(ObjectId::from_manifest(manifest))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::ownership::RESOURCE_POLICY;
    use super::*;

    fn manifest(api_version: &str, kind: &str, name: &str) -> Manifest {
        let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
        Manifest { source: String::new(), object }
    }

    #[test]
    fn an_object_that_left_the_chart_is_pruned_whatever_its_version_was() {
        let old = [
            manifest("policy/v1beta1", "PodDisruptionBudget", "a"),
            manifest("v1", "ConfigMap", "a"),
            manifest("v1", "ConfigMap", "b"),
            manifest("apps/v1", "Deployment", "old"),
        ];
        let new = [manifest("policy/v1", "PodDisruptionBudget", "a"), manifest("v1", "ConfigMap", "b")];
        let pruned = objects_to_prune(&old, &new);
        let pruned: Vec<_> = pruned.into_iter().map(|m| ObjectId::from_manifest(m).to_string()).collect();
        assert_eq!(pruned, ["deployment/old", "configmap/a"]);
    }

    #[test]
    fn an_object_with_the_keep_policy_is_not_pruned() {
        let mut claim = manifest("v1", "PersistentVolumeClaim", "data");
        claim.object["metadata"]["annotations"] = json!({RESOURCE_POLICY: "keep"});
        assert_eq!(objects_to_prune(&[claim], &[]), Vec::<&Manifest>::new());
    }

    proptest! {
        #[test]
        fn an_old_object_is_either_in_the_new_chart_or_pruned(
            old in proptest::collection::vec((0..4usize, 0..4usize), 0..12),
            new in proptest::collection::vec((0..4usize, 0..4usize), 0..12),
        ) {
            let kinds = ["ConfigMap", "Service", "Deployment", "Widget"];
            let build = |pairs: &[(usize, usize)]| -> Vec<Manifest> {
                pairs.iter().map(|(kind, name)| manifest("v1", kinds[*kind], &format!("n{name}"))).collect()
            };
            let (old, new) = (build(&old), build(&new));
            let pruned: Vec<_> = objects_to_prune(&old, &new).into_iter().map(ObjectId::from_manifest).collect();
            let unique: BTreeSet<_> = pruned.iter().cloned().collect();
            prop_assert_eq!(unique.len(), pruned.len());
            let in_new: BTreeSet<_> = new.iter().map(ObjectId::from_manifest).collect();
            let in_old: BTreeSet<_> = old.iter().map(ObjectId::from_manifest).collect();
            prop_assert_eq!(in_old.difference(&in_new).cloned().collect::<BTreeSet<_>>(), unique);
        }
    }
}
