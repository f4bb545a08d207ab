//! A Deployment: all pods are of the newest template and available, and no others are left.

use k8s_openapi::api::apps::v1::{DeploymentCondition, DeploymentSpec, DeploymentStatus};
use kube::api::DynamicObject;

use super::{State, Target, is_observed, part};

pub(super) fn read(object: &DynamicObject, target: &Target) -> State {
    let Some(status) = part::<DeploymentStatus>(object, "status") else { return State::unobserved() };
    if !is_observed(object, status.observed_generation, target) {
        return State::unobserved();
    }
    let wanted = part::<DeploymentSpec>(object, "spec").and_then(|spec| spec.replicas).unwrap_or(1);
    let mut state = State::pods(has_rolled_out(wanted, &status), wanted);
    state.refusal = message(&status, "ReplicaFailure", |condition| condition.status == "True");
    // No verdict: after a rollback to a template that ran before, this is about the rollout that failed, until the
    // controller looks again.
    state.remark =
        message(&status, "Progressing", |condition| condition.reason.as_deref() == Some("ProgressDeadlineExceeded"));
    state
}

/// Whether its pods tell the same as its status, and sooner: unless they have to have been ready for some time first.
pub(super) fn is_told_by_pods(object: &DynamicObject) -> bool {
    let spec = part::<DeploymentSpec>(object, "spec");
    spec.is_some_and(|spec| spec.min_ready_seconds.unwrap_or_default() == 0 && !spec.paused.unwrap_or_default())
}

/// `kubectl rollout status` calls a Deployment complete while pods of the old template are still counted as available;
/// this does not.
fn has_rolled_out(wanted: i32, status: &DeploymentStatus) -> bool {
    let updated = status.updated_replicas.unwrap_or_default();
    updated == wanted
        && status.replicas.unwrap_or_default() == updated
        && status.available_replicas.unwrap_or_default() == updated
}

fn message(status: &DeploymentStatus, kind: &str, holds: impl Fn(&DeploymentCondition) -> bool) -> Option<String> {
    let mut conditions = status.conditions.iter().flatten();
    conditions.find(|condition| condition.type_ == kind && holds(condition))?.message.clone()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{object, readiness, target};
    use super::super::{Readiness, Rule};
    use super::*;

    fn spec(replicas: i32) -> Value {
        json!({"replicas": replicas, "selector": {}, "template": {}})
    }

    fn counts(observed: i32, total: i32, updated: i32, available: i32) -> Value {
        json!({"observedGeneration": observed, "replicas": total, "updatedReplicas": updated,
               "availableReplicas": available})
    }

    #[test]
    fn a_rollout_is_ready_when_only_new_pods_are_left_and_available() {
        let waiting = Readiness::Progressing;
        for (what, status, expected) in [
            ("yesterday's rollout", counts(3, 2, 2, 2), Readiness::Unobserved),
            ("new pods start", counts(4, 3, 1, 2), waiting.clone()),
            ("all new, one old left", counts(4, 3, 2, 3), waiting.clone()),
            ("all new, not yet available", counts(4, 2, 2, 1), waiting.clone()),
            ("done", counts(4, 2, 2, 2), Readiness::Ready),
            ("seen, nothing counted", json!({"observedGeneration": 4}), waiting),
            ("no status", json!(null), Readiness::Unobserved),
        ] {
            assert_eq!(readiness(Rule::Deployment, spec(2), status), expected, "{what}");
        }
        let nothing = readiness(Rule::Deployment, spec(0), json!({"observedGeneration": 4}));
        assert_eq!(nothing, Readiness::Ready, "scaled to nothing");
    }

    #[test]
    fn a_copy_from_before_the_apply_says_nothing() {
        let later = Target { generation: 5, ..target() };
        let state = read(&object(spec(1), counts(4, 1, 1, 1)), &later);
        assert_eq!(state.readiness, Readiness::Unobserved);
    }

    fn with_condition(available: i32, condition: &Value) -> State {
        let mut status = counts(4, 1, 1, available);
        status["conditions"] = json!([condition]);
        read(&object(spec(1), status), &target())
    }

    #[test]
    fn the_controllers_own_words_are_passed_on() {
        let quota = "pods \"a-1\" is forbidden: exceeded quota";
        let refused = |status: &str| json!({"type": "ReplicaFailure", "status": status, "reason": "FailedCreate", "message": quota});
        assert_eq!(with_condition(0, &refused("True")).refusal, Some(quota.to_owned()));
        assert_eq!(with_condition(0, &refused("False")).refusal, None);
    }

    #[test]
    fn a_timeout_may_be_that_of_the_rollout_before() {
        let exceeded = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                              "message": "x"});
        let late = with_condition(0, &exceeded);
        assert_eq!((late.readiness, late.remark), (Readiness::Progressing, Some("x".to_owned())));
        assert_eq!(with_condition(1, &exceeded).readiness, Readiness::Ready);
        let done = json!({"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "y"});
        assert_eq!(with_condition(1, &done).remark, None);
    }
}
