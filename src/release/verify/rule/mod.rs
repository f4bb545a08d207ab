//! When an object is ready: a rule per kind, read from its status. Pure.
//!
//! What has no rule is ready as soon as the server has taken it: a ConfigMap, a Secret, a ServiceAccount, a Role, a
//! RoleBinding, a NetworkPolicy, a CronJob; an Ingress, since not every controller reports an address; and a
//! HorizontalPodAutoscaler, whose conditions speak of metrics that a cluster may not have.

mod budget;
mod claim;
mod daemon_set;
mod deployment;
mod job;
mod service;
mod stateful_set;

use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::DynamicObject;

use super::super::plan::ObjectId;

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Its controller has not seen the newest specification: what the status says is about an older one.
    Unobserved,
    /// It is on the way.
    Progressing,
    /// It is what was applied.
    Ready,
    /// It will never be: in its controller's words.
    Failed(String),
}

/// What an object's status says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// How far it is.
    pub readiness: Readiness,
    /// How many pods of the newest template it is to have; `None` where they are not counted.
    pub wanted: Option<i32>,
    /// What its controller says stands in the way of more pods, such as a quota.
    pub refusal: Option<String>,
    /// What it waits for, in words.
    pub remark: Option<String>,
}

impl State {
    fn of(readiness: Readiness) -> Self {
        Self { readiness, wanted: None, refusal: None, remark: None }
    }

    /// What can be said before the controller has looked.
    fn unobserved() -> Self {
        Self { remark: Some("its controller has not looked at it".to_owned()), ..Self::of(Readiness::Unobserved) }
    }

    fn pods(is_ready: bool, wanted: i32) -> Self {
        let readiness = if is_ready { Readiness::Ready } else { Readiness::Progressing };
        Self { wanted: Some(wanted), ..Self::of(readiness) }
    }

    fn waiting(remark: impl Into<String>) -> Self {
        Self { remark: Some(remark.into()), ..Self::of(Readiness::Progressing) }
    }
}

/// Which object, as the apply returned it.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Its identity: one of the same name that was made later is another.
    pub uid: String,
    /// What the apply made its generation.
    pub generation: i64,
    /// Of a PersistentVolumeClaim: it is bound once a pod uses it, and not before.
    pub binds_late: bool,
}

/// The kinds that are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Of `apps`.
    Deployment,
    /// Of `apps`.
    StatefulSet,
    /// Of `apps`.
    DaemonSet,
    /// Of `batch`.
    Job,
    /// Of the core.
    PersistentVolumeClaim,
    /// Of the core.
    Service,
    /// Of `policy`.
    PodDisruptionBudget,
}

impl Rule {
    /// The rule for a kind, whatever the version of its group.
    pub fn of(id: &ObjectId) -> Option<Self> {
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

    /// Reads an object's status.
    pub fn read(self, object: &DynamicObject, target: &Target) -> State {
        match self {
            Self::Deployment => deployment::read(object, target),
            Self::StatefulSet => stateful_set::read(object, target),
            Self::DaemonSet => daemon_set::read(object, target),
            Self::Job => job::read(object),
            Self::PersistentVolumeClaim => claim::read(object, target),
            Self::Service => service::read(object),
            Self::PodDisruptionBudget => budget::read(object, target),
        }
    }

    /// How the object marks the pods of its newest template, among those that it owns itself: label and value. `None` for
    /// a Deployment, whose pods are its ReplicaSets', and where the template can never change.
    pub fn template_mark(self, object: &DynamicObject) -> Option<(&'static str, String)> {
        match self {
            Self::StatefulSet => stateful_set::template_mark(object),
            Self::DaemonSet => daemon_set::template_mark(object),
            _ => None,
        }
    }

    /// Whether the object is ready as soon as its pods show it. Its status says so only once its controllers, one after the
    /// other, have counted them.
    pub fn is_told_by_pods(self, object: &DynamicObject) -> bool {
        self == Self::Deployment && deployment::is_told_by_pods(object)
    }

    /// Whether the object makes pods.
    pub fn has_pods(self) -> bool {
        matches!(self, Self::Deployment | Self::StatefulSet | Self::DaemonSet | Self::Job)
    }

    /// Whether a container that crashed ends it. A Job counts its failures itself.
    pub fn dies_of_a_crash(self) -> bool {
        self != Self::Job
    }

    /// Whether the controller waits for a pod of an older template to become ready before it replaces it, for ever if
    /// need be. See "Forced rollback" in Kubernetes' documentation of StatefulSets.
    pub fn waits_for_old_pods(self, object: &DynamicObject) -> bool {
        self == Self::StatefulSet && stateful_set::replaces_all(object)
    }
}

/// `spec` or `status` of an object; `None` if it has none of that form.
fn part<T: DeserializeOwned>(object: &DynamicObject, name: &str) -> Option<T> {
    serde_json::from_value(object.data.get(name)?.clone()).ok()
}

/// Whether a controller has seen what was applied, and whatever was changed since.
fn is_observed(object: &DynamicObject, observed: Option<i64>, target: &Target) -> bool {
    let current = object.metadata.generation.unwrap_or_default();
    current >= target.generation && observed.unwrap_or_default() >= current
}

#[cfg(test)]
mod testing {
    use serde_json::{Value, json};

    use super::*;

    /// An object of generation 4, which is what was applied.
    pub fn object(spec: Value, status: Value) -> DynamicObject {
        let object = json!({"metadata": {"name": "a", "generation": 4}, "spec": spec, "status": status});
        serde_json::from_value(object).unwrap()
    }

    pub fn target() -> Target {
        Target { uid: String::new(), generation: 4, binds_late: false }
    }

    pub fn readiness(rule: Rule, spec: Value, status: Value) -> Readiness {
        rule.read(&object(spec, status), &target()).readiness
    }

    #[test]
    fn a_kind_is_known_by_its_group_and_not_by_its_version() {
        let rule =
            |group: &str, kind: &str| Rule::of(&ObjectId { group: group.into(), kind: kind.into(), name: "a".into() });
        assert_eq!(rule("apps", "Deployment"), Some(Rule::Deployment));
        assert_eq!(rule("policy", "PodDisruptionBudget"), Some(Rule::PodDisruptionBudget));
        assert_eq!(rule("", "Service"), Some(Rule::Service));
        assert_eq!(rule("serving.knative.dev", "Service"), None);
        assert_eq!(rule("", "ConfigMap"), None);
    }
}
