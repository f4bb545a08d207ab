//! Problems that pods report.

use serde_json::{Value, json};

use super::*;

fn problem(status: Value) -> Option<(Severity, String, DiagnosticSource)> {
    let pod = json!({"metadata": {"name": "a-1"}, "status": status});
    let found = find_problem(&serde_json::from_value(pod).unwrap());
    found.map(|problem| (problem.severity, problem.text, problem.source))
}

fn container(state: Value, last: Value) -> Value {
    json!({"containerStatuses": [{"name": "a", "image": "r/a", "imageID": "", "ready": false, "restartCount": 2,
           "state": state, "lastState": last}]})
}

fn waiting(reason: &str, message: &str) -> Value {
    container(json!({"waiting": {"reason": reason, "message": message}}), json!({}))
}

#[test]
fn each_state_of_a_container_has_its_severity_and_description() {
    use DiagnosticSource::{LogAndProbeEvents, None, PreviousLog, PreviousLogAndProbeEvents};
    use Severity::{Fatal, Recoverable, Starting};
    let crashed = |code: i32, reason: &str| {
        let last = json!({"terminated": {"exitCode": code, "reason": reason, "message": "no such file"}});
        container(json!({"waiting": {"reason": "CrashLoopBackOff"}}), last)
    };
    for (status, severity, text, source) in [
        (waiting("ContainerCreating", ""), Starting, "is being created", CREATION_EVENTS),
        (waiting("ErrImagePull", "no route"), Fatal, "cannot start: the image r/a cannot be pulled: no route", None),
        (
            waiting("ErrImagePull", "connection refused"),
            Fatal,
            "cannot start: the image r/a cannot be pulled: connection refused",
            None,
        ),
        (waiting("ImagePullBackOff", "Back-off"), Fatal, "cannot start: the image r/a cannot be pulled", PULL_EVENTS),
        (waiting("InvalidImageName", "bad"), Fatal, "cannot start: the image r/a cannot be used: bad", None),
        (waiting("CreateContainerConfigError", "no x"), Fatal, "cannot start: no x", None),
        (waiting("RunContainerError", "no y"), Fatal, "cannot start: no y", None),
        (waiting("SomethingNew", "z"), Recoverable, "is waiting: SomethingNew: z", None),
        (crashed(3, "Error"), Fatal, "crashed (exit code 3)", PreviousLogAndProbeEvents { exit_code: 3 }),
        (crashed(143, "Error"), Fatal, "was killed (exit code 143)", PreviousLogAndProbeEvents { exit_code: 143 }),
        (crashed(137, "OOMKilled"), Fatal, "ran out of memory and was killed (OOMKilled)", PreviousLog),
        (crashed(127, "ContainerCannotRun"), Fatal, "cannot start: no such file", PreviousLog),
        (
            crashed(0, "Completed"),
            Fatal,
            "ended by itself (exit code 0); an app has to keep running",
            PreviousLogAndProbeEvents { exit_code: 0 },
        ),
        (container(json!({"running": {}}), json!({})), Starting, "is running, but is not ready", LogAndProbeEvents),
        (
            container(json!({"running": {}}), json!({"terminated": {"exitCode": 1}})),
            Starting,
            "is running, but is not ready; restarted 2 times, last exit code 1",
            LogAndProbeEvents,
        ),
        (
            container(json!({"terminated": {"exitCode": 1}}), json!({})),
            Recoverable,
            "crashed (exit code 1)",
            PreviousLog,
        ),
    ] {
        assert_eq!(problem(status), Some((severity, text.to_owned(), source)), "{text}");
    }
}

#[test]
fn an_unschedulable_pod_may_be_scheduled_later() {
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                           "message": "0/1 nodes are available: 1 Insufficient cpu."});
    let text = "cannot be scheduled: 0/1 nodes are available: 1 Insufficient cpu.".to_owned();
    assert_eq!(
        problem(json!({"phase": "Pending", "conditions": [condition]})),
        Some((Severity::Recoverable, text, DiagnosticSource::None))
    );
}

#[test]
fn the_worst_container_is_reported() {
    let mut status = waiting("CrashLoopBackOff", "");
    let first = json!({"name": "init", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                       "state": {"waiting": {"reason": "PodInitializing"}}});
    status["initContainerStatuses"] = json!([first]);
    assert_eq!(problem(status).unwrap().1, "crashed");
}

#[test]
fn a_hanging_init_container_is_reported_before_the_containers_that_wait_for_it() {
    let init = |name: &str, state: Value| json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state});
    let mut status = waiting("PodInitializing", "");
    status["initContainerStatuses"] = json!([
        init("done", json!({"terminated": {"exitCode": 0}})),
        init("hangs", json!({"running": {}})),
        init("waits", json!({"waiting": {"reason": "PodInitializing"}})),
    ]);
    let pod = json!({"metadata": {"name": "a-1"}, "status": status});
    let found = find_problem(&serde_json::from_value(pod).unwrap()).unwrap();
    assert_eq!((found.container.as_deref(), found.source), (Some("hangs"), DiagnosticSource::LogAndProbeEvents));
}

#[test]
fn an_eviction_is_reported_before_the_exit_code_that_it_caused() {
    let mut status = container(json!({"terminated": {"exitCode": 137}}), json!({}));
    status["phase"] = json!("Failed");
    status["reason"] = json!("Evicted");
    status["message"] = json!("The node was low on resource: memory.");
    assert_eq!(problem(status).unwrap().1, "failed: Evicted: The node was low on resource: memory.");
}

#[test]
fn a_failed_probe_is_reported_with_the_exit_code() {
    assert_eq!(
        describe_end_after_probe(0, "Liveness probe failed: timeout"),
        "ended (exit code 0) after its probe had failed: Liveness probe failed: timeout"
    );
}

#[test]
fn a_ready_pod_and_a_pod_being_deleted_have_no_problem() {
    let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    assert_eq!(problem(ready), None);
    let pod = json!({"metadata": {"name": "a", "deletionTimestamp": "2026-11-21T03:00:00Z"},
                     "status": waiting("CrashLoopBackOff", "")});
    assert_eq!(find_problem(&serde_json::from_value(pod).unwrap()), None);
}

#[test]
fn a_missing_registry_cache_on_the_node_is_hinted_at() {
    let refused = "dial tcp 127.0.0.1:15001: connect: connection refused";
    assert!(
        registry_cache_hint("localhost:15001/web@sha256:0", refused)
            .contains("nothing answers at localhost:15001 on the pod's node")
    );
    assert_eq!(registry_cache_hint("registry.example/web@sha256:0", refused), "");
    assert_eq!(registry_cache_hint("localhost:15001/web@sha256:0", "manifest unknown"), "");
}
