//! Whether a Deployment has rolled out. Pure.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus};

/// How far a rollout is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// The controller has not seen the newest specification: what the status says is about an older one.
    Unobserved,
    /// Not all pods are there.
    Progressing,
    /// All pods are of the newest template and available, and no others are left.
    Ready,
}

/// Reads the status of a Deployment that was applied and got `generation` then.
pub fn deployment(deployment: &Deployment, generation: i64) -> Readiness {
    let current = deployment.metadata.generation.unwrap_or_default();
    let Some(status) = &deployment.status else { return Readiness::Unobserved };
    if current < generation || status.observed_generation.unwrap_or_default() < current {
        return Readiness::Unobserved;
    }
    if has_rolled_out(wanted(deployment), status) { Readiness::Ready } else { Readiness::Progressing }
}

/// What the controller says stands in the way of more pods, such as a quota.
pub fn refusal(deployment: &Deployment) -> Option<String> {
    message(deployment, "ReplicaFailure", |condition| condition.status == "True")
}

/// The controller's words about a rollout that takes it too long. No verdict: after a rollback to a template that ran
/// before, they are about the rollout that failed, until the controller looks again.
pub fn timed_out(deployment: &Deployment) -> Option<String> {
    message(deployment, "Progressing", |condition| condition.reason.as_deref() == Some("ProgressDeadlineExceeded"))
}

/// How many pods a Deployment is to have.
pub fn wanted(deployment: &Deployment) -> i32 {
    deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

/// `kubectl rollout status` calls a Deployment complete while pods of the old template are still counted as available;
/// this does not.
fn has_rolled_out(wanted: i32, status: &DeploymentStatus) -> bool {
    let updated = status.updated_replicas.unwrap_or_default();
    updated == wanted
        && status.replicas.unwrap_or_default() == updated
        && status.available_replicas.unwrap_or_default() == updated
}

fn message(deployment: &Deployment, kind: &str, holds: impl Fn(&DeploymentCondition) -> bool) -> Option<String> {
    let mut conditions = deployment.status.as_ref()?.conditions.iter().flatten();
    conditions.find(|condition| condition.type_ == kind && holds(condition))?.message.clone()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(spec: Value, status: Value) -> Readiness {
        let object = json!({"metadata": {"name": "a", "generation": 4}, "spec": spec, "status": status});
        deployment(&serde_json::from_value(object).unwrap(), 4)
    }

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
            assert_eq!(read(spec(2), status), expected, "{what}");
        }
        assert_eq!(read(spec(0), json!({"observedGeneration": 4})), Readiness::Ready, "scaled to nothing");
    }

    #[test]
    fn a_copy_from_before_the_apply_says_nothing() {
        let object = json!({"metadata": {"generation": 4}, "spec": spec(1), "status": counts(4, 1, 1, 1)});
        assert_eq!(deployment(&serde_json::from_value(object).unwrap(), 5), Readiness::Unobserved);
    }

    fn with_condition(available: i32, condition: Value) -> Deployment {
        let mut status = counts(4, 1, 1, available);
        status["conditions"] = json!([condition]);
        let object = json!({"metadata": {"name": "a", "generation": 4}, "spec": spec(1), "status": status});
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn the_controllers_own_words_are_passed_on() {
        let quota = "pods \"a-1\" is forbidden: exceeded quota";
        let refused = |status: &str| json!({"type": "ReplicaFailure", "status": status, "reason": "FailedCreate", "message": quota});
        assert_eq!(refusal(&with_condition(0, refused("True"))), Some(quota.to_owned()));
        assert_eq!(refusal(&with_condition(0, refused("False"))), None);
    }

    #[test]
    fn a_timeout_may_be_that_of_the_rollout_before() {
        let exceeded = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                              "message": "x"});
        let late = with_condition(0, exceeded.clone());
        assert_eq!((deployment(&late, 4), timed_out(&late)), (Readiness::Progressing, Some("x".to_owned())));
        assert_eq!(deployment(&with_condition(1, exceeded), 4), Readiness::Ready);
        let done = json!({"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "y"});
        assert_eq!(timed_out(&with_condition(1, done)), None);
    }
}
