//! Rollouts of Jobs.

use super::*;

fn job(condition: &str) -> DynamicObject {
    let object = json!({
        "metadata": {"name": "a", "uid": "d", "generation": 1},
        "spec": {"template": {}},
        "status": {"conditions": [{"type": condition, "status": "True", "message": "too often"}]},
    });
    serde_json::from_value(object).unwrap()
}

#[test]
fn a_crash_does_not_fail_a_job() {
    let mut rollout = rollout_of(TrackedKind::Job, [owned_pod("", &crashing())]);
    rollout.apply_event(WatchEvent::Object(Ok(Event::Apply(job("Suspended")))), now());
    assert_eq!(rollout.status(now()), RolloutStatus::InProgress);
    rollout.apply_event(owned_pod("", &json!({"waiting": {"reason": "InvalidImageName"}})), now());
    assert!(matches!(rollout.status(now()), RolloutStatus::FailedByPod(_)));
}

#[test]
fn a_failed_job_is_explained_by_its_pod_or_else_by_its_condition() {
    let mut rollout = rollout_of(TrackedKind::Job, [WatchEvent::Object(Ok(Event::Apply(job("Failed"))))]);
    assert_eq!(rollout.status(now()), RolloutStatus::Failed("too often".to_owned()));
    rollout.apply_event(owned_pod("", &json!({"terminated": {"exitCode": 3}})), now());
    assert!(
        matches!(rollout.status(now()), RolloutStatus::FailedByPod(problem) if problem.text == "crashed (exit code 3)")
    );
}

#[test]
fn a_finished_job_that_kubernetes_cleaned_up_is_ready() {
    let status_after = |condition: &str| {
        rollout_of(TrackedKind::Job, [WatchEvent::Object(Ok(Event::Delete(job(condition))))]).status(now())
    };
    assert_eq!(status_after("Complete"), RolloutStatus::Ready);
    assert!(matches!(status_after("Failed"), RolloutStatus::Failed(_)));
}
