//! Problems that pods report.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::pod_history::PodHistories;
use super::*;

fn find(pod: Value) -> Option<PodProblem> {
    find_problem(&serde_json::from_value(pod).unwrap(), None, Instant::now())
}

fn problem(status: Value) -> Option<(Severity, String, DiagnosticSource)> {
    let found = find(json!({"metadata": {"name": "a-1"}, "status": status}));
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
fn the_memory_limit_of_a_container_that_exceeded_it_is_named() {
    let status = container(
        json!({"waiting": {"reason": "CrashLoopBackOff"}}),
        json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
    );
    let spec = json!({"containers": [{"name": "a", "resources": {"limits": {"memory": "16Mi"}}}]});
    let problem = find(json!({"metadata": {"name": "a-1"}, "spec": spec, "status": status})).unwrap();
    assert!(problem.text.ends_with("its limit is 16Mi, set by `resources` in the app chart"), "{}", problem.text);
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
            Fatal,
            "crashed (exit code 1)",
            PreviousLogAndProbeEvents { exit_code: 1 },
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
    let found = find(json!({"metadata": {"name": "a-1"}, "status": status})).unwrap();
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
fn a_ready_pod_and_a_pod_being_deleted_have_no_problem() {
    let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    assert_eq!(problem(ready), None);
    let pod = json!({"metadata": {"name": "a", "deletionTimestamp": "2026-11-21T03:00:00Z"},
                     "status": waiting("CrashLoopBackOff", "")});
    assert_eq!(find(pod), None);
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

/// The severity and outlook of the container's problem after these states, which are seen at these seconds. The first state
/// is that from before the rollout.
fn problem_after(states: &[(u64, Value)], at: u64) -> Option<(Severity, String)> {
    let (began, mut histories) = (Instant::now(), PodHistories::default());
    let second = |seconds| began + Duration::from_secs(seconds);
    let pods = states.iter().map(|(seconds, status)| {
        let pod = json!({"metadata": {"name": "a-1", "uid": "1"}, "status": status});
        (*seconds, serde_json::from_value::<Pod>(pod).unwrap())
    });
    let pods: Vec<(u64, Pod)> = pods.collect();
    for (n, (seconds, pod)) in pods.iter().enumerate() {
        histories.observe([pod].into_iter(), n == 0, second(*seconds));
    }
    let (_, pod) = pods.last().unwrap();
    let problem = find_problem(pod, histories.of(pod), second(at))?;
    Some((problem.severity, problem.outlook.unwrap_or_default()))
}

fn empty() -> Value {
    json!({})
}

/// A container in CrashLoopBackOff that has been restarted so often, and whose last run took so long.
fn backing_off(restarts: i32, code: i32, seconds: i64) -> Value {
    let (started, finished) = ("2026-11-21T03:00:00Z", format!("2026-11-21T03:00:{seconds:02}Z"));
    let end = json!({"exitCode": code, "reason": "Error", "startedAt": started, "finishedAt": finished});
    let mut status = container(
        json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container=a"}}),
        json!({"terminated": end}),
    );
    status["containerStatuses"][0]["restartCount"] = json!(restarts);
    status
}

#[test]
fn a_crash_is_final_once_another_start_does_not_help() {
    use Severity::{Fatal, Recoverable};
    for (states, expected) in [
        (vec![(0, empty()), (1, backing_off(0, 3, 0))], Recoverable),
        (vec![(0, empty()), (1, backing_off(1, 3, 0))], Recoverable),
        // three ends in the first second
        (vec![(0, empty()), (1, backing_off(1, 3, 0)), (12, backing_off(2, 3, 1))], Fatal),
        // the third run took longer
        (vec![(0, empty()), (1, backing_off(1, 3, 0)), (12, backing_off(2, 3, 9))], Recoverable),
        (vec![(0, empty()), (9, backing_off(0, 3, 9)), (60, backing_off(3, 3, 9))], Recoverable),
        (vec![(0, empty()), (9, backing_off(0, 3, 9)), (99, backing_off(4, 3, 9))], Fatal),
        // the command is missing
        (vec![(0, empty()), (1, backing_off(0, 127, 0))], Fatal),
        // killed by the kubelet
        (vec![(0, empty()), (40, backing_off(1, 137, 20))], Recoverable),
        (vec![(0, empty()), (60, backing_off(2, 137, 20))], Fatal),
        // ends before the rollout do not count
        (vec![(0, backing_off(9, 3, 0))], Recoverable),
        (vec![(0, backing_off(9, 3, 0)), (1, backing_off(11, 3, 0))], Recoverable),
        (vec![(0, backing_off(9, 3, 0)), (1, backing_off(12, 3, 0))], Fatal),
    ] {
        let found = problem_after(&states, 100).map(|(severity, _)| severity);
        assert_eq!(found, Some(expected), "{states:?}");
    }
}

#[test]
fn a_container_that_is_killed_again_and_again_fails_although_it_runs_again() {
    let running = |restarts: i32| {
        let mut status = backing_off(restarts, 137, 20);
        status["containerStatuses"][0]["state"] = json!({"running": {}});
        status
    };
    let severity = |restarts| problem_after(&[(0, empty()), (99, running(restarts))], 99).unwrap().0;
    assert_eq!((severity(2), severity(3)), (Severity::Starting, Severity::Fatal));
}

#[test]
fn a_crash_that_may_pass_says_what_the_rollout_waits_for() {
    let outlook = |states: &[(u64, Value)]| problem_after(states, 1).unwrap().1;
    assert_eq!(
        outlook(&[(0, empty()), (1, backing_off(1, 3, 0))]),
        "ended 2 times so far, fails the rollout at 3; waiting for its next start (back-off 10s)"
    );
    assert_eq!(
        outlook(&[(0, backing_off(4, 3, 0))]),
        "that was before this rollout, which waits for its next start (back-off 10s)"
    );
}

#[test]
fn an_image_that_cannot_be_pulled_is_tried_again_for_a_while_unless_the_answer_stays_the_same() {
    use Severity::{Fatal, Recoverable};
    let away = || waiting("ErrImagePull", "dial tcp 127.0.0.1:5000: connect: connection refused");
    let severity = |states: &[(u64, Value)], at| problem_after(states, at).unwrap().0;
    assert_eq!(severity(&[(0, empty()), (1, away())], 2), Recoverable);
    let backing_off = || waiting("ImagePullBackOff", "Back-off pulling image \"r/a\"");
    assert_eq!(severity(&[(0, empty()), (1, away()), (12, backing_off())], 40), Recoverable);
    assert_eq!(severity(&[(0, empty()), (1, away()), (12, backing_off())], 41), Fatal);
    assert_eq!(severity(&[(0, empty()), (1, waiting("ErrImagePull", "manifest unknown"))], 2), Fatal);
    let running = || container(json!({"running": {}}), json!({}));
    assert_eq!(severity(&[(0, empty()), (1, away()), (12, running()), (50, away())], 60), Recoverable);
}
