//! Rollouts as the watches report them.

use serde_json::{Value, json};

use super::*;

fn target(uid: &str) -> Target {
    Target { uid: uid.into(), generation: 2, binds_late: false }
}

fn deployment(observed: i64, template: &str, available: i32) -> Change {
    let object = json!({
        "metadata": {"name": "a", "uid": "d", "generation": 2, "annotations": {TEMPLATE_REVISION: template}},
        "spec": {"replicas": 1, "selector": {}, "template": {}},
        "status": {"observedGeneration": observed, "replicas": 1, "updatedReplicas": available,
                   "availableReplicas": available},
    });
    Change::Object(Event::Apply(serde_json::from_value(object).unwrap()))
}

fn set(uid: &str, template: &str) -> Change {
    let object = json!({
        "metadata": {"name": format!("a-{uid}"), "uid": uid, "annotations": {TEMPLATE_REVISION: template},
                     "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "a", "uid": "d"}]},
        "spec": {"selector": {}}, "status": {"replicas": 1},
    });
    Change::ReplicaSet(Event::Apply(serde_json::from_value(object).unwrap()))
}

fn pod(set: &str, reason: &str) -> Change {
    let object = json!({
        "metadata": {"name": format!("a-{set}-1"),
                     "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": set}]},
        "status": {"containerStatuses": [{"name": "a", "image": "i", "imageID": "", "ready": false,
                   "restartCount": 0, "state": {"waiting": {"reason": reason, "message": "m"}}}]},
    });
    Change::Pod(Event::Apply(serde_json::from_value(object).unwrap()))
}

fn ready_pod(set: &str) -> Change {
    let Change::Pod(Event::Apply(mut ready)) = pod(set, "x") else { panic!() };
    ready.status = serde_json::from_value(json!({"conditions": [{"type": "Ready", "status": "True"}]})).unwrap();
    Change::Pod(Event::Apply(ready))
}

fn rollout(changes: impl IntoIterator<Item = Change>) -> Rollout {
    following(Rule::Deployment, changes)
}

fn following(rule: Rule, changes: impl IntoIterator<Item = Change>) -> Rollout {
    let mut rollout = Rollout::new(rule, "deployment/a".into());
    rollout.aim(target("d"));
    changes.into_iter().for_each(|change| rollout.observe(change));
    rollout
}

#[test]
fn a_crash_of_the_old_template_is_no_failure_of_the_new() {
    let changes = [set("old", "1"), set("new", "2"), pod("old", "CrashLoopBackOff"), deployment(2, "2", 0)];
    let mut rollout = rollout(changes);
    assert_eq!(rollout.verdict(), Verdict::Pending);
    rollout.observe(pod("new", "CrashLoopBackOff"));
    assert!(matches!(rollout.verdict(), Verdict::Broken(why) if why.pod == "a-new-1"));
}

#[test]
fn nothing_is_decided_before_the_controller_has_seen_the_change() {
    let rollout = rollout([set("old", "1"), pod("old", "CrashLoopBackOff"), deployment(1, "1", 1)]);
    assert_eq!(rollout.verdict(), Verdict::Pending);
}

#[test]
fn counts_and_troubles_are_told_once() {
    let mut rollout = rollout([set("new", "2"), deployment(2, "2", 0)]);
    assert_eq!(rollout.news(), ["deployment/a 0 of 1 ready"]);
    assert_eq!(rollout.news(), Vec::<String>::new());
    rollout.observe(pod("new", "Odd"));
    assert_eq!(rollout.news(), ["pod/a-new-1: Odd: m"]);
    rollout.observe(pod("new", "ContainerCreating"));
    rollout.observe(pod("new", "Odd"));
    assert_eq!(rollout.news(), Vec::<String>::new());
    rollout.observe(deployment(2, "2", 1));
    assert_eq!(rollout.news(), ["deployment/a 1 of 1 ready"]);
    assert_eq!(rollout.verdict(), Verdict::Ready);
}

fn condition_of(observed: i64, template: &str, available: i32, condition: Value) -> Change {
    let Change::Object(Event::Apply(mut object)) = deployment(observed, template, available) else { panic!() };
    object.data["status"]["conditions"] = json!([condition]);
    Change::Object(Event::Apply(object))
}

/// As kube-apiserver 1.20 reports it for some milliseconds.
#[test]
fn a_rollback_is_not_judged_by_the_timeout_of_what_it_undoes() {
    let exceeded = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                          "message": "it timed out"});
    let failed = pod("failed", "ErrImagePull");
    let mut rollout = rollout([set("old", "2"), ready_pod("old"), failed, condition_of(2, "2", 0, exceeded)]);
    assert_eq!(rollout.verdict(), Verdict::Pending);
    assert_eq!(rollout.news(), ["deployment/a 1 of 1 ready"]);
    assert_eq!(rollout.remark().as_deref(), Some("it timed out"));
    rollout.observe(deployment(2, "2", 1));
    assert_eq!(rollout.verdict(), Verdict::Ready);
}

fn going(change: Change) -> Change {
    let Change::Pod(Event::Apply(mut pod)) = change else { panic!() };
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH);
    pod.metadata.deletion_timestamp = Some(now);
    Change::Pod(Event::Apply(pod))
}

fn with_spec(spec: &Value) -> Change {
    let Change::Object(Event::Apply(mut object)) = deployment(2, "2", 0) else { panic!() };
    spec.as_object().unwrap().iter().for_each(|(key, value)| object.data["spec"][key] = value.clone());
    Change::Object(Event::Apply(object))
}

/// The Deployment's status follows its pods by some tens of milliseconds.
#[test]
fn a_rollout_is_ready_when_its_pods_are_and_the_old_ones_go() {
    let both = || [set("old", "1"), set("new", "2"), ready_pod("old"), ready_pod("new")];
    let verdict = |more: Vec<Change>| rollout(both().into_iter().chain(more)).verdict();
    let (replaced, waiting) = (|| going(ready_pod("old")), Verdict::Pending);
    assert_eq!(verdict(vec![deployment(2, "2", 0)]), waiting, "the old pod serves");
    assert_eq!(verdict(vec![deployment(2, "2", 0), replaced()]), Verdict::Ready);
    assert_eq!(verdict(vec![deployment(1, "2", 0), replaced()]), waiting, "its controller has not seen the change");
    assert_eq!(verdict(vec![deployment(2, "3", 0), replaced()]), waiting, "its newest ReplicaSet is another");
    assert_eq!(verdict(vec![deployment(2, "2", 0), replaced(), pod("new", "x")]), waiting, "the new pod is not ready");
    assert_eq!(verdict(vec![deployment(2, "2", 0), replaced(), ready_pod("else")]), waiting, "whose pod is that?");
    for (spec, expected) in [
        (json!({"replicas": 2}), &waiting),
        (json!({"minReadySeconds": 1}), &waiting),
        (json!({"paused": true}), &waiting),
        (json!({"minReadySeconds": 0}), &Verdict::Ready),
    ] {
        assert_eq!(verdict(vec![with_spec(&spec), replaced()]), *expected, "{spec}");
    }
}

#[test]
fn what_nothing_explains_is_told_in_the_pods_own_words() {
    let mut rollout = rollout([set("new", "2"), deployment(2, "2", 0)]);
    assert_eq!(rollout.remark(), None);
    let condition = json!({"type": "Ready", "status": "False", "message": "a gate is closed"});
    let Change::Pod(Event::Apply(mut pod)) = pod("new", "x") else { panic!() };
    pod.status = serde_json::from_value(json!({"conditions": [condition]})).unwrap();
    rollout.observe(Change::Pod(Event::Apply(pod)));
    assert_eq!(rollout.obstacle(), None);
    assert_eq!(rollout.remark().as_deref(), Some("pod/a-new-1: a gate is closed"));
}

#[test]
fn what_is_not_yet_there_was_not_deleted() {
    let empty = [Change::Object(Event::Init), Change::Object(Event::InitDone)];
    assert_eq!(rollout(empty).verdict(), Verdict::Pending);
}

#[test]
fn a_list_replaces_what_was_known() {
    let mut rollout = rollout([deployment(2, "2", 0)]);
    rollout.observe(Change::Object(Event::Init));
    assert_eq!(rollout.verdict(), Verdict::Pending);
    rollout.observe(Change::Object(Event::InitDone));
    assert_eq!(rollout.verdict(), Verdict::Failed("it was deleted by someone else".into()));
}

#[test]
fn a_deployment_made_anew_by_someone_else_is_not_ours() {
    let mut rollout = rollout([deployment(2, "2", 1)]);
    rollout.aim(target("other"));
    assert_eq!(rollout.verdict(), Verdict::Pending);
}

fn stateful_set(updated: i32) -> Change {
    let object = json!({
        "metadata": {"name": "a", "uid": "d", "generation": 2},
        "spec": {"replicas": 1, "serviceName": "a", "selector": {}, "template": {}},
        "status": {"observedGeneration": 2, "replicas": 1, "updatedReplicas": updated, "readyReplicas": updated,
                   "updateRevision": "new"},
    });
    Change::Object(Event::Apply(serde_json::from_value(object).unwrap()))
}

fn owned_pod(revision: &str, status: &Value) -> Change {
    let labels = json!({"controller-revision-hash": revision});
    let object = json!({
        "metadata": {"name": "a-0", "uid": format!("pod-{revision}"), "labels": labels,
                     "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "a", "uid": "d"}]},
        "status": {"containerStatuses": [{"name": "a", "image": "i", "imageID": "", "ready": false,
                   "restartCount": 1, "state": status}]},
    });
    Change::Pod(Event::Apply(serde_json::from_value(object).unwrap()))
}

fn crashing() -> Value {
    json!({"waiting": {"reason": "CrashLoopBackOff"}})
}

#[test]
fn a_stateful_sets_pod_that_never_became_ready_is_named_once_to_be_removed() {
    let mut rollout = following(Rule::StatefulSet, [stateful_set(0), owned_pod("old", &crashing())]);
    assert_eq!(rollout.verdict(), Verdict::Pending, "it is not of the newest template");
    assert_eq!(rollout.stuck().len(), 1);
    assert_eq!(rollout.stuck().len(), 0);
    rollout.observe(owned_pod("new", &crashing()));
    assert!(matches!(rollout.verdict(), Verdict::Broken(_)));
    assert_eq!(rollout.stuck().len(), 0);
}

fn job(condition: &str) -> DynamicObject {
    let object = json!({
        "metadata": {"name": "a", "uid": "d", "generation": 1},
        "spec": {"template": {}},
        "status": {"conditions": [{"type": condition, "status": "True", "message": "too often"}]},
    });
    serde_json::from_value(object).unwrap()
}

#[test]
fn a_job_counts_its_crashes_itself() {
    let mut rollout = following(Rule::Job, [owned_pod("", &crashing())]);
    rollout.observe(Change::Object(Event::Apply(job("Suspended"))));
    assert_eq!(rollout.verdict(), Verdict::Pending);
    rollout.observe(owned_pod("", &json!({"waiting": {"reason": "ErrImagePull"}})));
    assert!(matches!(rollout.verdict(), Verdict::Broken(_)));
}

#[test]
fn a_job_that_failed_is_told_by_its_pod_or_else_by_itself() {
    let mut rollout = following(Rule::Job, [Change::Object(Event::Apply(job("Failed")))]);
    assert_eq!(rollout.verdict(), Verdict::Failed("too often".to_owned()));
    rollout.observe(owned_pod("", &json!({"terminated": {"exitCode": 3}})));
    assert!(matches!(rollout.verdict(), Verdict::Broken(why) if why.text == "it crashed (exit code 3)"));
}

#[test]
fn a_job_that_was_cleaned_up_after_its_end_was_not_deleted_by_someone_else() {
    let ended = |condition: &str| following(Rule::Job, [Change::Object(Event::Delete(job(condition)))]).verdict();
    assert_eq!(ended("Complete"), Verdict::Ready);
    assert!(matches!(ended("Failed"), Verdict::Failed(_)));
}
