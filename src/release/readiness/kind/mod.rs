//! When an object is ready: one rule for each kind, read from the object's status. Pure.
//!
//! Objects of all other kinds are ready once the API server accepted them: ConfigMap, Secret, ServiceAccount, Role,
//! RoleBinding, NetworkPolicy and CronJob; Ingress, since not every ingress controller reports an address; and
//! HorizontalPodAutoscaler, whose conditions depend on metrics that a cluster may not have.

mod daemon_set;
mod deployment;
mod job;
mod persistent_volume_claim;
mod pod_disruption_budget;
mod service;
mod stateful_set;
mod status;

use std::time::Duration;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;

pub(super) use self::status::{AppliedObject, ObjectReadiness, ObjectStatus};
use super::super::object_id::ObjectId;
use crate::domain::Manifest;

/// Whether slipway waits until the object is ready.
pub(in crate::release) fn has_readiness_rule(manifest: &Manifest) -> bool {
    TrackedKind::from_id(&ObjectId::from_manifest(manifest)).is_some()
}

/// The kinds whose readiness slipway waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrackedKind {
    Deployment,
    StatefulSet,
    DaemonSet,
    Job,
    PersistentVolumeClaim,
    Service,
    PodDisruptionBudget,
}

impl TrackedKind {
    /// The kind of an object, in any version of its API group.
    pub(super) fn from_id(id: &ObjectId) -> Option<Self> {
        Some(match (id.group.as_str(), id.kind.as_str()) {
            ("apps", "Deployment") => Self::Deployment,
            ("apps", "StatefulSet") => Self::StatefulSet,
            ("apps", "DaemonSet") => Self::DaemonSet,
            ("batch", "Job") => Self::Job,
            ("", "PersistentVolumeClaim") => Self::PersistentVolumeClaim,
            ("", "Service") => Self::Service,
            ("policy", "PodDisruptionBudget") => Self::PodDisruptionBudget,
            _ => return None,
        })
    }

    pub(super) fn read_status(self, object: &DynamicObject, applied: &AppliedObject) -> ObjectStatus {
        match self {
            Self::Deployment => deployment::read_status(object, applied),
            Self::StatefulSet => stateful_set::read_status(object, applied),
            Self::DaemonSet => daemon_set::read_status(object, applied),
            Self::Job => job::read_status(object),
            Self::PersistentVolumeClaim => persistent_volume_claim::read_status(object, applied),
            Self::Service => service::read_status(object),
            Self::PodDisruptionBudget => pod_disruption_budget::read_status(object, applied),
        }
    }

    /// The label, and its value, of the pods of the newest template among the pods that the object owns. `None` for a
    /// Deployment, whose ReplicaSets own the pods, and for kinds whose template never changes.
    pub(super) fn revision_label(self, object: &DynamicObject) -> Option<(&'static str, String)> {
        match self {
            Self::StatefulSet => stateful_set::revision_label(object),
            Self::DaemonSet => daemon_set::revision_label(object),
            _ => None,
        }
    }

    /// Whether the object is ready as soon as its pods are available. Its status follows only after several controllers,
    /// one after the other, have counted the pods.
    pub(super) fn is_ready_with_its_pods(self, object: &DynamicObject) -> bool {
        self == Self::Deployment && !deployment::is_paused(object)
    }

    /// How long a pod has to be ready before it counts as available.
    pub(super) fn min_ready(self, object: &DynamicObject) -> Duration {
        let seconds = object.data.pointer("/spec/minReadySeconds").and_then(Value::as_u64);
        Duration::from_secs(seconds.unwrap_or_default())
    }

    /// The pod template of a Deployment.
    pub(super) fn template(self, object: &DynamicObject) -> Option<PodTemplateSpec> {
        if self == Self::Deployment { deployment::template(object) } else { None }
    }

    /// Why an object that is to have no pod has none, and how to change that. `subject` is its kind and name.
    pub(super) fn explain_no_pods(self, object: &DynamicObject, subject: &str) -> String {
        if self == Self::DaemonSet {
            return "no node matches it".to_owned();
        }
        let namespace = object.namespace().unwrap_or_default();
        format!("it is scaled to 0; to start one: kubectl scale {subject} --replicas=1 -n {namespace}")
    }

    pub(super) fn has_pods(self) -> bool {
        matches!(self, Self::Deployment | Self::StatefulSet | Self::DaemonSet | Self::Job)
    }

    /// Whether a crashed container fails the rollout. A Job counts its failures against its own `backoffLimit`.
    pub(super) fn is_crash_fatal(self) -> bool {
        self != Self::Job
    }

    /// Whether the controller waits, possibly for ever, for a pod of an older template to become ready before it
    /// replaces that pod. See "Forced rollback" in the Kubernetes documentation of StatefulSets.
    pub(super) fn can_be_blocked_by_old_pods(self, object: &DynamicObject) -> bool {
        self == Self::StatefulSet && stateful_set::replaces_all_pods(object)
    }
}

#[cfg(test)]
mod testing {
    use serde_json::{Value, json};

    use super::*;

    /// An object of generation 4, which is the applied generation.
    pub fn object(spec: Value, status: Value) -> DynamicObject {
        let object = json!({"metadata": {"name": "a", "generation": 4}, "spec": spec, "status": status});
        serde_json::from_value(object).unwrap()
    }

    pub fn applied() -> AppliedObject {
        AppliedObject { generation: 4, ..AppliedObject::default() }
    }

    pub fn readiness(kind: TrackedKind, spec: Value, status: Value) -> ObjectReadiness {
        kind.read_status(&object(spec, status), &applied()).readiness
    }

    #[test]
    fn a_kind_is_recognized_by_its_group_and_in_any_version() {
        let kind = |group: &str, kind: &str| {
            TrackedKind::from_id(&ObjectId { group: group.into(), kind: kind.into(), name: "a".into() })
        };
        assert_eq!(kind("apps", "Deployment"), Some(TrackedKind::Deployment));
        assert_eq!(kind("policy", "PodDisruptionBudget"), Some(TrackedKind::PodDisruptionBudget));
        assert_eq!(kind("", "Service"), Some(TrackedKind::Service));
        assert_eq!(kind("serving.knative.dev", "Service"), None);
        assert_eq!(kind("", "ConfigMap"), None);
    }
}
