//! Rollouts, followed through watch events.

mod jobs;

use std::time::Duration;

use serde_json::{Value, json};

use super::pods::REVISION_ANNOTATION;
use super::*;

fn now() -> Instant {
    Instant::now()
}

fn after(seconds: u64) -> Instant {
    now() + Duration::from_secs(seconds)
}

fn applied(uid: &str) -> AppliedObject {
    AppliedObject { uid: uid.into(), generation: 2, ..AppliedObject::default() }
}

fn deployment(observed: i64, template: &str, available: i32) -> WatchEvent {
    let object = json!({
        "metadata": {"name": "a", "uid": "d", "generation": 2, "annotations": {REVISION_ANNOTATION: template}},
        "spec": {"replicas": 1, "selector": {}, "template": {}},
        "status": {"observedGeneration": observed, "replicas": 1, "updatedReplicas": available,
                   "availableReplicas": available},
    });
    WatchEvent::Object(Ok(Event::Apply(serde_json::from_value(object).unwrap())))
}

fn replica_set(uid: &str, template: &str) -> WatchEvent {
    let object = json!({
        "metadata": {"name": format!("a-{uid}"), "uid": uid, "annotations": {REVISION_ANNOTATION: template},
                     "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "a", "uid": "d"}]},
        "spec": {"selector": {}}, "status": {"replicas": 1},
    });
    WatchEvent::ReplicaSet(Ok(Event::Apply(serde_json::from_value(object).unwrap())))
}

fn pod(set: &str, reason: &str) -> WatchEvent {
    let object = json!({
        "metadata": {"name": format!("a-{set}-1"),
                     "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": set}]},
        "status": {"containerStatuses": [{"name": "a", "image": "i", "imageID": "", "ready": false,
                   "restartCount": 0, "state": {"waiting": {"reason": reason, "message": "m"}}}]},
    });
    WatchEvent::Pod(Ok(Event::Apply(serde_json::from_value(object).unwrap())))
}

fn ready_pod(set: &str) -> WatchEvent {
    let WatchEvent::Pod(Ok(Event::Apply(mut ready))) = pod(set, "x") else { panic!() };
    ready.status = serde_json::from_value(json!({"conditions": [{"type": "Ready", "status": "True"}]})).unwrap();
    WatchEvent::Pod(Ok(Event::Apply(ready)))
}

fn rollout(events: impl IntoIterator<Item = WatchEvent>) -> ObjectRollout {
    rollout_of(TrackedKind::Deployment, events)
}

fn rollout_of(kind: TrackedKind, events: impl IntoIterator<Item = WatchEvent>) -> ObjectRollout {
    let mut rollout = ObjectRollout::new(kind, "deployment/a".into());
    rollout.set_applied(applied("d"));
    // the first list of pods, from before the apply
    rollout.apply_event(WatchEvent::Pod(Ok(Event::InitDone)), now());
    for event in events {
        rollout.apply_event(event, now());
    }
    rollout
}

#[test]
fn a_crash_of_an_old_pod_does_not_fail_the_rollout() {
    let events =
        [replica_set("old", "1"), replica_set("new", "2"), pod("old", "CrashLoopBackOff"), deployment(2, "2", 0)];
    let mut rollout = rollout(events);
    assert_eq!(rollout.status(now()), RolloutStatus::InProgress);
    rollout.apply_event(pod("new", "InvalidImageName"), now());
    assert!(matches!(rollout.status(now()), RolloutStatus::FailedByPod(problem) if problem.pod == "a-new-1"));
}

#[test]
fn a_rollout_is_in_progress_until_the_controller_has_observed_the_change() {
    let rollout = rollout([replica_set("old", "1"), pod("old", "CrashLoopBackOff"), deployment(1, "1", 1)]);
    assert_eq!(rollout.status(now()), RolloutStatus::InProgress);
}

#[test]
fn counts_and_problems_are_reported_once() {
    let mut rollout = rollout([replica_set("new", "2"), deployment(2, "2", 0)]);
    assert_eq!(rollout.take_new_messages(), ["deployment/a 0 of 1 ready"]);
    assert_eq!(rollout.take_new_messages(), Vec::<String>::new());
    rollout.apply_event(pod("new", "Odd"), now());
    let problem = rollout.take_new_problem(now()).map(|problem| problem.describe());
    assert_eq!(problem.as_deref(), Some("container a in pod/a-new-1 is waiting: Odd: m"));
    rollout.apply_event(pod("new", "ContainerCreating"), now());
    rollout.apply_event(pod("new", "Odd"), now());
    assert_eq!((rollout.take_new_problem(now()), rollout.take_new_messages()), (None, Vec::<String>::new()));
    rollout.apply_event(deployment(2, "2", 1), now());
    assert_eq!(rollout.take_new_messages(), ["deployment/a 1 of 1 ready"]);
    assert_eq!(rollout.status(now()), RolloutStatus::Ready);
}

fn condition_of(observed: i64, template: &str, available: i32, condition: Value) -> WatchEvent {
    let WatchEvent::Object(Ok(Event::Apply(mut object))) = deployment(observed, template, available) else { panic!() };
    object.data["status"]["conditions"] = json!([condition]);
    WatchEvent::Object(Ok(Event::Apply(object)))
}

/// Kubernetes 1.20 reports this status for some milliseconds.
#[test]
fn a_rollback_is_not_failed_by_the_exceeded_deadline_of_the_rollout_before() {
    let exceeded = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                          "message": "it timed out"});
    let failed = pod("failed", "ErrImagePull");
    let mut rollout = rollout([replica_set("old", "2"), ready_pod("old"), failed, condition_of(2, "2", 0, exceeded)]);
    assert_eq!(rollout.status(now()), RolloutStatus::InProgress);
    assert_eq!(rollout.take_new_messages(), ["deployment/a 1 of 1 ready"]);
    assert_eq!(rollout.status_message().as_deref(), Some("it timed out"));
    rollout.apply_event(deployment(2, "2", 1), now());
    assert_eq!(rollout.status(now()), RolloutStatus::Ready);
}

fn deleting(event: WatchEvent) -> WatchEvent {
    let WatchEvent::Pod(Ok(Event::Apply(mut pod))) = event else { panic!() };
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH);
    pod.metadata.deletion_timestamp = Some(now);
    WatchEvent::Pod(Ok(Event::Apply(pod)))
}

fn with_spec(spec: &Value) -> WatchEvent {
    let WatchEvent::Object(Ok(Event::Apply(mut object))) = deployment(2, "2", 0) else { panic!() };
    spec.as_object().unwrap().iter().for_each(|(key, value)| object.data["spec"][key] = value.clone());
    WatchEvent::Object(Ok(Event::Apply(object)))
}

/// The status of a Deployment lags tens of milliseconds behind its pods.
#[test]
fn a_rollout_is_ready_when_its_pods_are_and_the_old_pods_are_being_deleted() {
    let both = || [replica_set("old", "1"), replica_set("new", "2"), ready_pod("old"), ready_pod("new")];
    let status_after = |more: Vec<WatchEvent>| rollout(both().into_iter().chain(more)).status(now());
    let (replaced, in_progress) = (|| deleting(ready_pod("old")), RolloutStatus::InProgress);
    assert_eq!(status_after(vec![deployment(2, "2", 0)]), in_progress, "the old pod serves");
    assert_eq!(status_after(vec![deployment(2, "2", 0), replaced()]), RolloutStatus::Ready);
    assert_eq!(
        status_after(vec![deployment(1, "2", 0), replaced()]),
        in_progress,
        "the controller has not observed the change"
    );
    assert_eq!(
        status_after(vec![deployment(2, "3", 0), replaced()]),
        in_progress,
        "the newest ReplicaSet is another one"
    );
    assert_eq!(
        status_after(vec![deployment(2, "2", 0), replaced(), pod("new", "x")]),
        in_progress,
        "the new pod is not ready"
    );
    assert_eq!(
        status_after(vec![deployment(2, "2", 0), replaced(), ready_pod("else")]),
        in_progress,
        "a pod of another owner is left"
    );
    for (spec, expected) in [
        (json!({"replicas": 2}), &in_progress),
        (json!({"minReadySeconds": 60}), &in_progress),
        (json!({"paused": true}), &in_progress),
        (json!({"minReadySeconds": 0}), &RolloutStatus::Ready),
    ] {
        assert_eq!(status_after(vec![with_spec(&spec), replaced()]), *expected, "{spec}");
    }
}

#[test]
fn pods_that_are_ready_and_have_to_stay_so_are_waited_for_in_words() {
    let mut rollout = rollout([replica_set("new", "2"), with_spec(&json!({"minReadySeconds": 5})), ready_pod("new")]);
    let waits = "waiting for deployment/a: its pods have to stay ready for 5 s";
    assert_eq!(rollout.take_new_messages(), ["deployment/a 1 of 1 ready", waits]);
    assert_eq!(rollout.take_new_messages(), Vec::<String>::new());
}

#[test]
fn more_pods_than_the_desired_number_count_as_that_number() {
    let mut other = ready_pod("new");
    if let WatchEvent::Pod(Ok(Event::Apply(pod))) = &mut other {
        pod.metadata.name = Some("a-new-2".to_owned());
        pod.metadata.uid = Some("other".to_owned());
    }
    let mut rollout = rollout([replica_set("new", "2"), deployment(2, "2", 0), ready_pod("new"), other]);
    assert_eq!(rollout.take_new_messages(), ["deployment/a 1 of 1 ready"]);
}

#[test]
fn an_unready_pod_without_a_problem_is_described_by_its_condition() {
    let mut rollout = rollout([replica_set("new", "2"), deployment(2, "2", 0)]);
    assert_eq!(rollout.status_message(), None);
    let condition = json!({"type": "Ready", "status": "False", "message": "a gate is closed"});
    let WatchEvent::Pod(Ok(Event::Apply(mut pod))) = pod("new", "x") else { panic!() };
    pod.status = serde_json::from_value(json!({"conditions": [condition]})).unwrap();
    rollout.apply_event(WatchEvent::Pod(Ok(Event::Apply(pod))), now());
    assert_eq!(rollout.worst_pod_problem(now()), None);
    assert_eq!(rollout.status_message().as_deref(), Some("pod/a-new-1: a gate is closed"));
}

#[test]
fn an_object_that_was_never_seen_was_not_deleted() {
    let empty = [WatchEvent::Object(Ok(Event::Init)), WatchEvent::Object(Ok(Event::InitDone))];
    assert_eq!(rollout(empty).status(now()), RolloutStatus::InProgress);
}

#[test]
fn a_new_list_replaces_the_watched_objects() {
    let mut rollout = rollout([deployment(2, "2", 0)]);
    rollout.apply_event(WatchEvent::Object(Ok(Event::Init)), now());
    assert_eq!(rollout.status(now()), RolloutStatus::InProgress);
    rollout.apply_event(WatchEvent::Object(Ok(Event::InitDone)), now());
    assert_eq!(rollout.status(now()), RolloutStatus::Failed("someone else deleted the object".into()));
}

#[test]
fn a_deployment_recreated_by_someone_else_is_another_object() {
    let mut rollout = rollout([deployment(2, "2", 1)]);
    rollout.set_applied(applied("other"));
    assert_eq!(rollout.status(now()), RolloutStatus::InProgress);
}

fn stateful_set(updated: i32) -> WatchEvent {
    let object = json!({
        "metadata": {"name": "a", "uid": "d", "generation": 2},
        "spec": {"replicas": 1, "serviceName": "a", "selector": {}, "template": {}},
        "status": {"observedGeneration": 2, "replicas": 1, "updatedReplicas": updated, "readyReplicas": updated,
                   "updateRevision": "new"},
    });
    WatchEvent::Object(Ok(Event::Apply(serde_json::from_value(object).unwrap())))
}

fn owned_pod(revision: &str, status: &Value) -> WatchEvent {
    let labels = json!({"controller-revision-hash": revision});
    let object = json!({
        "metadata": {"name": "a-0", "uid": format!("pod-{revision}"), "labels": labels,
                     "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "a", "uid": "d"}]},
        "status": {"containerStatuses": [{"name": "a", "image": "i", "imageID": "", "ready": false,
                   "restartCount": 1, "state": status}]},
    });
    WatchEvent::Pod(Ok(Event::Apply(serde_json::from_value(object).unwrap())))
}

fn crashing() -> Value {
    json!({"waiting": {"reason": "CrashLoopBackOff"}})
}

#[test]
fn a_broken_old_pod_of_a_stateful_set_is_returned_once_for_removal() {
    let mut rollout = rollout_of(TrackedKind::StatefulSet, [stateful_set(0), owned_pod("old", &crashing())]);
    assert_eq!(rollout.status(now()), RolloutStatus::InProgress, "the pod is not of the newest template");
    assert_eq!(rollout.take_stuck_pods(now()).len(), 1);
    assert_eq!(rollout.take_stuck_pods(now()).len(), 0);
    rollout.apply_event(owned_pod("new", &json!({"waiting": {"reason": "InvalidImageName"}})), now());
    assert!(matches!(rollout.status(now()), RolloutStatus::FailedByPod(_)));
    assert_eq!(rollout.take_stuck_pods(now()).len(), 0);
}

#[test]
fn an_old_pod_of_a_stateful_set_whose_probe_does_not_pass_is_stuck_after_a_while() {
    let mut rollout =
        rollout_of(TrackedKind::StatefulSet, [stateful_set(0), owned_pod("old", &json!({"running": {}}))]);
    assert_eq!(rollout.take_stuck_pods(now()).len(), 0);
    assert_eq!(rollout.take_stuck_pods(after(10)).len(), 1);
}

/// A pod of the newest revision that is ready, after so many restarts.
fn restarted_pod(restarts: i32, is_ready: bool) -> WatchEvent {
    let WatchEvent::Pod(Ok(Event::Apply(mut pod))) = owned_pod("new", &json!({"running": {}})) else { panic!() };
    let mut status = serde_json::to_value(pod.status.take()).unwrap();
    status["containerStatuses"][0]["restartCount"] = json!(restarts);
    status["containerStatuses"][0]["ready"] = json!(is_ready);
    status["conditions"] = json!([{"type": "Ready", "status": if is_ready { "True" } else { "False" }}]);
    pod.status = serde_json::from_value(status).unwrap();
    pod.spec = serde_json::from_value(json!({"containers": [{"name": "a", "readinessProbe": {}}]})).unwrap();
    WatchEvent::Pod(Ok(Event::Apply(pod)))
}

#[test]
fn a_pod_that_restarted_is_ready_only_after_the_settle_time() {
    let mut rollout = rollout_of(TrackedKind::StatefulSet, [stateful_set(1), restarted_pod(0, true)]);
    assert_eq!(rollout.status(now()), RolloutStatus::Ready);
    rollout.apply_event(restarted_pod(1, true), now());
    assert_eq!(
        (rollout.status(now()), rollout.status(after(9))),
        (RolloutStatus::InProgress, RolloutStatus::InProgress)
    );
    assert_eq!(rollout.status(after(11)), RolloutStatus::Ready);
    // the next crash begins the time again
    rollout.apply_event(restarted_pod(2, true), after(3));
    assert_eq!(
        (rollout.status(after(12)), rollout.status(after(14))),
        (RolloutStatus::InProgress, RolloutStatus::Ready)
    );
}

#[test]
fn a_pod_that_restarted_has_to_outlast_the_run_before() {
    let WatchEvent::Pod(Ok(Event::Apply(mut pod))) = restarted_pod(1, true) else { panic!() };
    let mut status = serde_json::to_value(pod.status.take()).unwrap();
    status["containerStatuses"][0]["lastState"] = json!({"terminated": {"exitCode": 1,
        "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:20Z"}});
    pod.status = serde_json::from_value(status).unwrap();
    let mut rollout = rollout_of(TrackedKind::StatefulSet, [stateful_set(1), restarted_pod(0, true)]);
    rollout.apply_event(WatchEvent::Pod(Ok(Event::Apply(pod))), now());
    assert_eq!(
        (rollout.status(after(29)), rollout.status(after(31))),
        (RolloutStatus::InProgress, RolloutStatus::Ready)
    );
}

#[test]
fn a_pod_that_no_probe_checks_is_ready_only_after_the_settle_time() {
    let without_probe = || {
        let WatchEvent::Pod(Ok(Event::Apply(mut pod))) = restarted_pod(0, true) else { panic!() };
        pod.spec = serde_json::from_value(json!({"containers": [{"name": "a"}]})).unwrap();
        pod
    };
    let rollout =
        rollout_of(TrackedKind::StatefulSet, [stateful_set(1), WatchEvent::Pod(Ok(Event::Apply(without_probe())))]);
    assert_eq!((rollout.status(now()), rollout.status(after(6))), (RolloutStatus::InProgress, RolloutStatus::Ready));
    let mut rollout = ObjectRollout::new(TrackedKind::StatefulSet, "statefulset/a".into());
    rollout.set_applied(applied("d"));
    // a pod from before the rollout
    for event in [Event::InitApply(without_probe()), Event::InitDone] {
        rollout.apply_event(WatchEvent::Pod(Ok(event)), now());
    }
    rollout.apply_event(stateful_set(1), now());
    assert_eq!(rollout.status(now()), RolloutStatus::Ready);
}

fn templated(generation: i64, template: &Value) -> WatchEvent {
    let WatchEvent::Object(Ok(Event::Apply(mut object))) = deployment(generation, "2", 1) else { panic!() };
    object.metadata.generation = Some(generation);
    object.data["spec"]["template"] = template.clone();
    WatchEvent::Object(Ok(Event::Apply(object)))
}

#[test]
fn only_a_template_that_lacks_something_of_the_applied_one_is_another_template() {
    let template = |image: &str| json!({"metadata": {}, "spec": {"containers": [{"name": "a", "image": image}]}});
    let status_with = |generation: i64, live: &Value| {
        let mut rollout = rollout([]);
        rollout.set_applied(AppliedObject { template: Some(template("two")), ..applied("d") });
        rollout.apply_event(templated(generation, live), now());
        rollout.status(now())
    };
    let mut restarted = template("two");
    restarted["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/restartedAt": "now"});
    assert_eq!(status_with(2, &template("two")), RolloutStatus::Ready);
    assert_eq!(status_with(3, &template("two")), RolloutStatus::Ready, "scaled");
    assert_eq!(status_with(3, &restarted), RolloutStatus::Ready);
    assert_eq!(status_with(3, &template("one")), RolloutStatus::TemplateReplaced);
}

/// A Deployment that is scaled: its controller has observed the newest generation, and has made no ReplicaSet for the new
/// template.
#[test]
fn the_pods_of_the_old_template_are_not_taken_for_new_ones() {
    let WatchEvent::ReplicaSet(Ok(Event::Apply(mut old))) = replica_set("old", "1") else { panic!() };
    let containers = json!({"containers": [{"name": "a", "image": "one"}]});
    old.spec.as_mut().unwrap().template = serde_json::from_value(json!({"spec": containers})).unwrap();
    let WatchEvent::Object(Ok(Event::Apply(mut object))) = deployment(2, "1", 0) else { panic!() };
    object.data["spec"]["template"] = json!({"spec": {"containers": [{"name": "a", "image": "two"}]}});
    let events =
        [WatchEvent::ReplicaSet(Ok(Event::Apply(old))), WatchEvent::Object(Ok(Event::Apply(object))), ready_pod("old")];
    assert_eq!(rollout(events).status(now()), RolloutStatus::InProgress);
}

#[test]
fn an_object_that_is_being_deleted_is_not_ready() {
    let WatchEvent::Object(Ok(Event::Apply(mut object))) = deployment(2, "2", 1) else { panic!() };
    object.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH));
    object.metadata.finalizers = Some(vec!["example.com/f".to_owned()]);
    let deleted = rollout([WatchEvent::Object(Ok(Event::Apply(object)))]);
    let reason = "it is being deleted, and waits for its finalizers: example.com/f";
    assert_eq!(deleted.status(now()), RolloutStatus::Failed(reason.to_owned()));
}

#[test]
fn an_object_without_pods_says_why() {
    let mut object = with_spec(&json!({"replicas": 0}));
    if let WatchEvent::Object(Ok(Event::Apply(object))) = &mut object {
        object.metadata.namespace = Some("n".to_owned());
    }
    let advice = "it is scaled to 0; to start one: kubectl scale deployment/a --replicas=1 -n n";
    assert_eq!(
        rollout([replica_set("new", "2"), object]).take_new_messages(),
        [format!("deployment/a runs no pod: {advice}")]
    );
}
