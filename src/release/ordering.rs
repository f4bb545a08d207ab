//! The order in which the objects of a release are applied. Pure.

use crate::domain::Manifest;

/// Helm's install order of the kinds that live in a namespace: dependencies come first. Other kinds follow at the end.
/// <https://github.com/helm/helm/blob/main/pkg/release/v1/util/kind_sorter.go>
const INSTALL_ORDER: [&str; 19] = [
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

/// Sorts the objects into the order in which they are applied.
pub(super) fn apply_order(manifests: &[Manifest]) -> Vec<&Manifest> {
    let mut ordered: Vec<_> = manifests.iter().collect();
    ordered.sort_by_key(|manifest| install_rank(manifest.kind()));
    ordered
}

/// Whether pods may depend on objects of the kind.
pub(super) fn precedes_workloads(kind: &str) -> bool {
    install_rank(kind) < install_rank("Service")
}

/// Position of a kind in the install order.
pub(super) fn install_rank(kind: &str) -> usize {
    INSTALL_ORDER.iter().position(|known| *known == kind).unwrap_or(INSTALL_ORDER.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(api_version: &str, kind: &str) -> Manifest {
        let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}});
        Manifest { source: String::new(), object }
    }

    #[test]
    fn dependencies_are_applied_first() {
        let chart = [
            manifest("networking.k8s.io/v1", "Ingress"),
            manifest("apps/v1", "Deployment"),
            manifest("v1", "Service"),
            manifest("example.com/v1", "Widget"),
            manifest("v1", "Secret"),
        ];
        let kinds: Vec<_> = apply_order(&chart).into_iter().map(Manifest::kind).collect();
        assert_eq!(kinds, ["Secret", "Service", "Deployment", "Ingress", "Widget"]);
    }
}
