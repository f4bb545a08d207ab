//! The readiness that an object's status reports.

use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::DynamicObject;
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::release::readiness) enum ObjectReadiness {
    /// The controller has not observed the applied generation: the status describes an older one.
    Unobserved,
    Progressing,
    Ready,
    /// The object will never become ready, for this reason.
    Failed(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::release::readiness) struct ObjectStatus {
    pub readiness: ObjectReadiness,
    /// How many pods of the newest template the object is to have; `None` for kinds whose pods are not counted.
    pub desired_pods: Option<i32>,
    /// Why the controller cannot create more pods, such as an exceeded quota.
    pub replica_failure: Option<String>,
    /// Why the object stays as it is until a user acts, and how.
    pub hold: Option<String>,
    /// The reason why the object is not ready.
    pub message: Option<String>,
}

impl ObjectStatus {
    pub(super) fn new(readiness: ObjectReadiness) -> Self {
        Self { readiness, desired_pods: None, replica_failure: None, hold: None, message: None }
    }

    pub(super) fn unobserved() -> Self {
        let message = "its controller has not observed the change yet".to_owned();
        Self { message: Some(message), ..Self::new(ObjectReadiness::Unobserved) }
    }

    pub(super) fn from_pods(is_ready: bool, desired: i32) -> Self {
        let readiness = if is_ready { ObjectReadiness::Ready } else { ObjectReadiness::Progressing };
        Self { desired_pods: Some(desired), ..Self::new(readiness) }
    }

    pub(super) fn progressing(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::new(ObjectReadiness::Progressing) }
    }
}

/// An object as the apply returned it.
#[derive(Debug, Clone, Default)]
pub(in crate::release::readiness) struct AppliedObject {
    /// Distinguishes the object from a later one of the same name.
    pub uid: String,
    pub generation: i64,
    /// The template of its pods, as the server returned it.
    pub template: Option<Value>,
    /// A PersistentVolumeClaim that is bound only once a pod uses it.
    pub waits_for_first_consumer: bool,
}

/// The `spec` or `status` of an object; `None` if it is missing or has another form.
pub(super) fn parse_field<T: DeserializeOwned>(object: &DynamicObject, name: &str) -> Option<T> {
    serde_json::from_value(object.data.get(name)?.clone()).ok()
}

/// Whether the controller has observed the applied generation and every later one.
pub(super) fn is_observed(object: &DynamicObject, observed: Option<i64>, applied: &AppliedObject) -> bool {
    let current = object.metadata.generation.unwrap_or_default();
    current >= applied.generation && observed.unwrap_or_default() >= current
}
