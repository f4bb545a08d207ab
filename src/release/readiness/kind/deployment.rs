//! A Deployment is ready when all of its pods have the newest template and are available, and no other pods are left.

use k8s_openapi::api::apps::v1::{DeploymentCondition, DeploymentSpec, DeploymentStatus};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;

use super::status::{AppliedObject, ObjectStatus, is_observed, parse_field};

pub(super) fn read_status(object: &DynamicObject, applied: &AppliedObject) -> ObjectStatus {
    let Some(status) = parse_field::<DeploymentStatus>(object, "status") else { return ObjectStatus::unobserved() };
    if !is_observed(object, status.observed_generation, applied) {
        return ObjectStatus::unobserved();
    }
    let desired = parse_field::<DeploymentSpec>(object, "spec").and_then(|spec| spec.replicas).unwrap_or(1);
    let mut result = ObjectStatus::from_pods(is_rolled_out(desired, &status), desired);
    result.replica_failure = condition_message(&status, "ReplicaFailure", |condition| condition.status == "True");
    result.hold = is_paused(object).then(|| describe_pause(object));
    // Only a message, not a failure: after a rollback to an earlier template the condition describes the failed rollout
    // until the controller updates it.
    result.message = condition_message(&status, "Progressing", |condition| {
        condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    });
    result
}

pub(super) fn is_paused(object: &DynamicObject) -> bool {
    object.data.pointer("/spec/paused").and_then(Value::as_bool).unwrap_or_default()
}

fn describe_pause(object: &DynamicObject) -> String {
    let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
    format!(
        "is paused, and starts no pod of this release; to continue: kubectl rollout resume deployment/{name} -n {namespace}"
    )
}

pub(super) fn template(object: &DynamicObject) -> Option<PodTemplateSpec> {
    Some(parse_field::<DeploymentSpec>(object, "spec")?.template)
}

/// Stricter than `kubectl rollout status`, which calls a Deployment complete while pods of the old template still count
/// as available.
fn is_rolled_out(desired: i32, status: &DeploymentStatus) -> bool {
    let updated = status.updated_replicas.unwrap_or_default();
    updated == desired
        && status.replicas.unwrap_or_default() == updated
        && status.available_replicas.unwrap_or_default() == updated
}

fn condition_message(
    status: &DeploymentStatus,
    kind: &str,
    holds: impl Fn(&DeploymentCondition) -> bool,
) -> Option<String> {
    let mut conditions = status.conditions.iter().flatten();
    conditions.find(|condition| condition.type_ == kind && holds(condition))?.message.clone()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{applied, object, readiness};
    use super::super::{ObjectReadiness, TrackedKind};
    use super::*;

    fn spec(replicas: i32) -> Value {
        json!({"replicas": replicas, "selector": {}, "template": {}})
    }

    fn counts(observed: i32, total: i32, updated: i32, available: i32) -> Value {
        json!({"observedGeneration": observed, "replicas": total, "updatedReplicas": updated,
               "availableReplicas": available})
    }

    #[test]
    fn a_deployment_is_ready_when_only_new_pods_are_left_and_available() {
        let progressing = ObjectReadiness::Progressing;
        for (case, status, expected) in [
            ("the rollout before", counts(3, 2, 2, 2), ObjectReadiness::Unobserved),
            ("new pods start", counts(4, 3, 1, 2), progressing.clone()),
            ("all new, one old left", counts(4, 3, 2, 3), progressing.clone()),
            ("all new, not yet available", counts(4, 2, 2, 1), progressing.clone()),
            ("done", counts(4, 2, 2, 2), ObjectReadiness::Ready),
            ("observed, nothing counted", json!({"observedGeneration": 4}), progressing),
            ("no status", json!(null), ObjectReadiness::Unobserved),
        ] {
            assert_eq!(readiness(TrackedKind::Deployment, spec(2), status), expected, "{case}");
        }
        let empty = readiness(TrackedKind::Deployment, spec(0), json!({"observedGeneration": 4}));
        assert_eq!(empty, ObjectReadiness::Ready, "scaled to zero");
    }

    #[test]
    fn a_status_from_before_the_apply_is_not_read() {
        let later = AppliedObject { generation: 5, ..applied() };
        let status = read_status(&object(spec(1), counts(4, 1, 1, 1)), &later);
        assert_eq!(status.readiness, ObjectReadiness::Unobserved);
    }

    #[test]
    fn a_paused_deployment_says_how_to_resume_it() {
        let mut paused = object(json!({"paused": true, "selector": {}, "template": {}}), counts(4, 1, 0, 1));
        paused.metadata.namespace = Some("n".to_owned());
        let hold = read_status(&paused, &applied()).hold.unwrap();
        assert!(hold.ends_with("kubectl rollout resume deployment/a -n n"), "{hold}");
        assert_eq!(read_status(&object(spec(1), counts(4, 1, 0, 1)), &applied()).hold, None);
    }

    fn with_condition(available: i32, condition: &Value) -> ObjectStatus {
        let mut status = counts(4, 1, 1, available);
        status["conditions"] = json!([condition]);
        read_status(&object(spec(1), status), &applied())
    }

    #[test]
    fn the_controllers_message_is_passed_on() {
        let quota = "pods \"a-1\" is forbidden: exceeded quota";
        let failure = |status: &str| json!({"type": "ReplicaFailure", "status": status, "reason": "FailedCreate", "message": quota});
        assert_eq!(with_condition(0, &failure("True")).replica_failure, Some(quota.to_owned()));
        assert_eq!(with_condition(0, &failure("False")).replica_failure, None);
    }

    #[test]
    fn an_exceeded_deadline_may_belong_to_the_rollout_before() {
        let exceeded = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                              "message": "x"});
        let late = with_condition(0, &exceeded);
        assert_eq!((late.readiness, late.message), (ObjectReadiness::Progressing, Some("x".to_owned())));
        assert_eq!(with_condition(1, &exceeded).readiness, ObjectReadiness::Ready);
        let done = json!({"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "y"});
        assert_eq!(with_condition(1, &done).message, None);
    }
}
