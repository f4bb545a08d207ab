//! Why a pod does not run, read from the pod itself. Pure.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodStatus};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// What every pod goes through.
    Starting,
    /// It may pass: a node may be added, a registry come back.
    Trouble,
    /// Waiting does not help.
    Fatal,
}

/// Where more is to be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Nowhere.
    None,
    /// In what the container that ended has written.
    PreviousLog,
    /// In what the running container writes, and in the events about its probes.
    LogAndProbes,
    /// In the newest event about the pod with one of these reasons.
    Events(&'static [&'static str]),
}

const PULLING: Evidence = Evidence::Events(&["Failed"]);
const CREATING: Evidence = Evidence::Events(&["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"]);

/// Why a pod is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// How bad it is.
    pub severity: Severity,
    /// The pod.
    pub pod: String,
    /// The container, where it is one's fault.
    pub container: Option<String>,
    /// In words.
    pub text: String,
    /// Where more is to be found out.
    pub evidence: Evidence,
}

/// The worst reason why `pod` is not ready; `None` if it is, or if it is going away.
pub fn explain(pod: &Pod) -> Option<Explanation> {
    let status = pod.status.as_ref()?;
    if pod.metadata.deletion_timestamp.is_some() || is_ready(status) {
        return None;
    }
    let name = pod.metadata.name.clone().unwrap_or_default();
    let about_pod =
        |severity, text| Explanation { severity, pod: name.clone(), container: None, text, evidence: Evidence::None };
    let scheduling = unschedulable(status).map(|why| about_pod(Severity::Trouble, format!("no node takes it: {why}")));
    let ended = failed(status).map(|why| about_pod(Severity::Trouble, format!("it was ended: {why}")));
    let init = status.init_container_statuses.iter().flatten();
    let containers = init.chain(status.container_statuses.iter().flatten());
    let worst = containers.filter_map(|container| explain_container(&name, container));
    scheduling.into_iter().chain(ended).chain(worst).max_by_key(|explanation| explanation.severity)
}

fn explain_container(pod: &str, container: &ContainerStatus) -> Option<Explanation> {
    let state = container.state.as_ref()?;
    let (severity, text, evidence) = if let Some(waiting) = &state.waiting {
        let message = waiting.message.as_deref().unwrap_or_default();
        explain_waiting(waiting.reason.as_deref().unwrap_or_default(), message, container)
    } else if let Some(ended) = state.terminated.as_ref().filter(|ended| ended.exit_code != 0) {
        (Severity::Trouble, crash(ended), Evidence::PreviousLog)
    } else if state.running.is_some() && !container.ready {
        (Severity::Starting, unready(container), Evidence::LogAndProbes)
    } else {
        return None;
    };
    Some(Explanation { severity, pod: pod.to_owned(), container: Some(container.name.clone()), text, evidence })
}

/// The reasons are the kubelet's.
fn explain_waiting(reason: &str, message: &str, container: &ContainerStatus) -> (Severity, String, Evidence) {
    let image = &container.image;
    match reason {
        "" | "ContainerCreating" | "PodInitializing" => (Severity::Starting, "it is being created".into(), CREATING),
        // The kubelet goes from the first to the second without having tried again, some ten seconds later.
        "ErrImagePull" | "ErrImageNeverPull" | "RegistryUnavailable" => {
            (Severity::Fatal, format!("the image {image} cannot be pulled: {message}"), Evidence::None)
        }
        "ImagePullBackOff" => (Severity::Fatal, format!("the image {image} cannot be pulled"), PULLING),
        "InvalidImageName" | "ErrImageInspect" => {
            (Severity::Fatal, format!("the image {image} cannot be used: {message}"), Evidence::None)
        }
        "CrashLoopBackOff" => {
            let ended = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
            (Severity::Fatal, ended.map_or_else(|| "it crashed".to_owned(), crash), Evidence::PreviousLog)
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" | "PostStartHookError" => {
            (Severity::Fatal, format!("it cannot be started: {message}"), Evidence::None)
        }
        other => (Severity::Trouble, format!("{other}: {message}"), Evidence::None),
    }
}

fn crash(ended: &ContainerStateTerminated) -> String {
    let code = ended.exit_code;
    match ended.reason.as_deref() {
        Some("OOMKilled") => "it ran out of memory and was killed".to_owned(),
        Some("ContainerCannotRun" | "StartError") => {
            format!("it cannot be started: {}", ended.message.as_deref().unwrap_or_default())
        }
        _ if code == 0 => "it ended by itself (exit code 0); an app has to keep running".to_owned(),
        _ => format!("it crashed (exit code {code})"),
    }
}

fn unready(container: &ContainerStatus) -> String {
    let restarts = container.restart_count;
    let ended = container.last_state.as_ref().and_then(|last: &ContainerState| last.terminated.as_ref());
    match ended {
        Some(ended) => format!("it runs, but is not ready; {} before ({restarts} restarts)", crash(ended)),
        None => "it runs, but is not ready".to_owned(),
    }
}

fn is_ready(status: &PodStatus) -> bool {
    status.conditions.iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn unschedulable(status: &PodStatus) -> Option<String> {
    let mut conditions = status.conditions.iter().flatten();
    let refused = conditions.find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    Some(refused.message.clone().unwrap_or_default())
}

fn failed(status: &PodStatus) -> Option<String> {
    let reason = status.reason.clone().unwrap_or_default();
    let message = status.message.clone().unwrap_or_default();
    (status.phase.as_deref() == Some("Failed") && !reason.is_empty()).then(|| format!("{reason}: {message}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(status: Value) -> Option<(Severity, String, Evidence)> {
        let pod = json!({"metadata": {"name": "a-1"}, "status": status});
        explain(&serde_json::from_value(pod).unwrap()).map(|found| (found.severity, found.text, found.evidence))
    }

    fn container(state: Value, last: Value) -> Value {
        json!({"containerStatuses": [{"name": "a", "image": "r/a", "imageID": "", "ready": false, "restartCount": 2,
               "state": state, "lastState": last}]})
    }

    fn waiting(reason: &str, message: &str) -> Value {
        container(json!({"waiting": {"reason": reason, "message": message}}), json!({}))
    }

    #[test]
    fn what_waiting_cannot_mend_is_fatal() {
        use Evidence::{LogAndProbes, None, PreviousLog};
        use Severity::{Fatal, Starting, Trouble};
        let crashed = |code: i32, reason: &str| {
            let last = json!({"terminated": {"exitCode": code, "reason": reason, "message": "no such file"}});
            container(json!({"waiting": {"reason": "CrashLoopBackOff"}}), last)
        };
        for (status, severity, text, evidence) in [
            (waiting("ContainerCreating", ""), Starting, "it is being created", CREATING),
            (waiting("ErrImagePull", "no route"), Fatal, "the image r/a cannot be pulled: no route", None),
            (waiting("ImagePullBackOff", "Back-off"), Fatal, "the image r/a cannot be pulled", PULLING),
            (waiting("InvalidImageName", "bad"), Fatal, "the image r/a cannot be used: bad", None),
            (waiting("CreateContainerConfigError", "no x"), Fatal, "it cannot be started: no x", None),
            (waiting("RunContainerError", "no y"), Fatal, "it cannot be started: no y", None),
            (waiting("SomethingNew", "z"), Trouble, "SomethingNew: z", None),
            (crashed(3, "Error"), Fatal, "it crashed (exit code 3)", PreviousLog),
            (crashed(137, "OOMKilled"), Fatal, "it ran out of memory and was killed", PreviousLog),
            (crashed(127, "ContainerCannotRun"), Fatal, "it cannot be started: no such file", PreviousLog),
            (
                crashed(0, "Completed"),
                Fatal,
                "it ended by itself (exit code 0); an app has to keep running",
                PreviousLog,
            ),
            (container(json!({"running": {}}), json!({})), Starting, "it runs, but is not ready", LogAndProbes),
            (
                container(json!({"running": {}}), json!({"terminated": {"exitCode": 1}})),
                Starting,
                "it runs, but is not ready; it crashed (exit code 1) before (2 restarts)",
                LogAndProbes,
            ),
            (
                container(json!({"terminated": {"exitCode": 1}}), json!({})),
                Trouble,
                "it crashed (exit code 1)",
                PreviousLog,
            ),
        ] {
            assert_eq!(read(status), Some((severity, text.to_owned(), evidence)), "{text}");
        }
    }

    #[test]
    fn a_pod_that_no_node_takes_may_find_one_later() {
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                               "message": "0/1 nodes are available: 1 Insufficient cpu."});
        let text = "no node takes it: 0/1 nodes are available: 1 Insufficient cpu.".to_owned();
        assert_eq!(
            read(json!({"phase": "Pending", "conditions": [condition]})),
            Some((Severity::Trouble, text, Evidence::None))
        );
    }

    #[test]
    fn the_worst_container_counts() {
        let mut status = waiting("CrashLoopBackOff", "");
        let first = json!({"name": "init", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                           "state": {"waiting": {"reason": "PodInitializing"}}});
        status["initContainerStatuses"] = json!([first]);
        assert_eq!(read(status).unwrap().1, "it crashed");
    }

    #[test]
    fn a_ready_pod_and_one_that_goes_away_need_no_explanation() {
        let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        assert_eq!(read(ready), None);
        let pod = json!({"metadata": {"name": "a", "deletionTimestamp": "2026-11-21T03:00:00Z"},
                         "status": waiting("CrashLoopBackOff", "")});
        assert_eq!(explain(&serde_json::from_value(pod).unwrap()), None);
    }
}
