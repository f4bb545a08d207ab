//! Why a pod does not run, read from the pod itself. Pure.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodStatus};

use super::probe;

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
    /// There, and in the events about its probes: [`ended`] takes them in. The kubelet ends what fails a probe.
    PreviousLogAndProbes {
        /// The exit code.
        code: i32,
    },
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
    if pod.metadata.deletion_timestamp.is_some() || is_ready(pod) {
        return None;
    }
    let name = pod.metadata.name.clone().unwrap_or_default();
    let about_pod =
        |severity, text| Explanation { severity, pod: name.clone(), container: None, text, evidence: Evidence::None };
    let scheduling = unschedulable(status).map(|why| about_pod(Severity::Trouble, format!("no node takes it: {why}")));
    let ended = failed(status).map(|why| about_pod(Severity::Trouble, format!("it was ended: {why}")));
    let main = status.container_statuses.iter().flatten();
    let init = status.init_container_statuses.iter().flatten().rev();
    let worst = main.chain(init).filter_map(|container| explain_container(pod, container));
    // Of equals the last counts: an eviction before the exit code that it caused, and the first init container that
    // does not end before all that wait for it.
    scheduling.into_iter().chain(worst).chain(ended).max_by_key(|explanation| explanation.severity)
}

/// Whether a pod says that it is ready.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// What the pod itself says about not being ready; `None` if it is, or if it is going away.
pub fn not_ready(pod: &Pod) -> Option<String> {
    let mut conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let ready = conditions.find(|condition| condition.type_ == "Ready" && condition.status != "True")?;
    let message = ready.message.as_deref().filter(|message| !message.is_empty())?;
    let name = pod.metadata.name.as_deref().filter(|_| pod.metadata.deletion_timestamp.is_none())?;
    Some(format!("pod/{name}: {message}"))
}

/// How a container ended whose probe failed before. Whether the kubelet ended it for that reason, or it would have ended
/// anyway, no exit code tells.
pub fn ended(code: i32, probe: &str) -> String {
    format!("it ended (exit code {code}) after its probe had failed: {probe}")
}

fn explain_container(pod: &Pod, container: &ContainerStatus) -> Option<Explanation> {
    let state = container.state.as_ref()?;
    let (severity, text, evidence) = if let Some(waiting) = &state.waiting {
        let message = waiting.message.as_deref().unwrap_or_default();
        explain_waiting(waiting.reason.as_deref().unwrap_or_default(), message, container)
    } else if let Some(ended) = state.terminated.as_ref().filter(|ended| ended.exit_code != 0) {
        (Severity::Trouble, crash(ended), Evidence::PreviousLog)
    } else if state.running.is_some() && !container.ready {
        (Severity::Starting, unready(pod, container), Evidence::LogAndProbes)
    } else {
        return None;
    };
    let pod = pod.metadata.name.clone().unwrap_or_default();
    Some(Explanation { severity, pod, container: Some(container.name.clone()), text, evidence })
}

/// What to look for where a node pulls from itself, and nobody answers.
fn no_cache(image: &str, message: &str) -> String {
    let host = image.split('/').next().unwrap_or_default();
    let own = host.starts_with("localhost:") || host.starts_with("127.");
    match own && message.contains("connection refused") {
        true => format!("; nothing answers at {host} on the pod's node: the registry's cache has to run there"),
        false => String::new(),
    }
}

/// The reasons are the kubelet's.
fn explain_waiting(reason: &str, message: &str, container: &ContainerStatus) -> (Severity, String, Evidence) {
    let image = &container.image;
    match reason {
        "" | "ContainerCreating" | "PodInitializing" => (Severity::Starting, "it is being created".into(), CREATING),
        // The kubelet goes from the first to the second without having tried again, some ten seconds later.
        "ErrImagePull" | "ErrImageNeverPull" | "RegistryUnavailable" => {
            let text = format!("the image {image} cannot be pulled: {message}{}", no_cache(image, message));
            (Severity::Fatal, text, Evidence::None)
        }
        "ImagePullBackOff" => (Severity::Fatal, format!("the image {image} cannot be pulled"), PULLING),
        "InvalidImageName" | "ErrImageInspect" => {
            (Severity::Fatal, format!("the image {image} cannot be used: {message}"), Evidence::None)
        }
        "CrashLoopBackOff" => {
            let ended = last_end(container);
            let text = ended.map_or_else(|| "it crashed".to_owned(), crash);
            (Severity::Fatal, text, ended.map_or(Evidence::PreviousLog, evidence))
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" | "PostStartHookError" => {
            (Severity::Fatal, format!("it cannot be started: {message}"), Evidence::None)
        }
        other => (Severity::Trouble, format!("{other}: {message}"), Evidence::None),
    }
}

fn last_end(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    container.last_state.as_ref()?.terminated.as_ref()
}

/// Where the kubelet says why, no probe needs to be asked.
fn evidence(ended: &ContainerStateTerminated) -> Evidence {
    match ended.reason.as_deref() {
        Some("OOMKilled" | "ContainerCannotRun" | "StartError") => Evidence::PreviousLog,
        _ => Evidence::PreviousLogAndProbes { code: ended.exit_code },
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
        // The shell's codes for SIGKILL and SIGTERM, which is how the kubelet ends a container.
        _ if matches!(code, 137 | 143) => format!("it was killed (exit code {code})"),
        _ => format!("it crashed (exit code {code})"),
    }
}

fn unready(pod: &Pod, container: &ContainerStatus) -> String {
    let times = match container.restart_count {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    let lacks = probe::awaited(pod, container).map(|probe| format!("its {probe} does not pass"));
    let lacks = lacks.unwrap_or_else(|| "is not ready".to_owned());
    match last_end(container) {
        Some(ended) => format!("it runs, but {lacks}; restarted {times}, last exit code {}", ended.exit_code),
        None => format!("it runs, but {lacks}"),
    }
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
        use Evidence::{LogAndProbes, None, PreviousLog, PreviousLogAndProbes};
        use Severity::{Fatal, Starting, Trouble};
        let crashed = |code: i32, reason: &str| {
            let last = json!({"terminated": {"exitCode": code, "reason": reason, "message": "no such file"}});
            container(json!({"waiting": {"reason": "CrashLoopBackOff"}}), last)
        };
        for (status, severity, text, evidence) in [
            (waiting("ContainerCreating", ""), Starting, "it is being created", CREATING),
            (waiting("ErrImagePull", "no route"), Fatal, "the image r/a cannot be pulled: no route", None),
            (
                waiting("ErrImagePull", "connection refused"),
                Fatal,
                "the image r/a cannot be pulled: connection refused",
                None,
            ),
            (waiting("ImagePullBackOff", "Back-off"), Fatal, "the image r/a cannot be pulled", PULLING),
            (waiting("InvalidImageName", "bad"), Fatal, "the image r/a cannot be used: bad", None),
            (waiting("CreateContainerConfigError", "no x"), Fatal, "it cannot be started: no x", None),
            (waiting("RunContainerError", "no y"), Fatal, "it cannot be started: no y", None),
            (waiting("SomethingNew", "z"), Trouble, "SomethingNew: z", None),
            (crashed(3, "Error"), Fatal, "it crashed (exit code 3)", PreviousLogAndProbes { code: 3 }),
            (crashed(143, "Error"), Fatal, "it was killed (exit code 143)", PreviousLogAndProbes { code: 143 }),
            (crashed(137, "OOMKilled"), Fatal, "it ran out of memory and was killed", PreviousLog),
            (crashed(127, "ContainerCannotRun"), Fatal, "it cannot be started: no such file", PreviousLog),
            (
                crashed(0, "Completed"),
                Fatal,
                "it ended by itself (exit code 0); an app has to keep running",
                PreviousLogAndProbes { code: 0 },
            ),
            (container(json!({"running": {}}), json!({})), Starting, "it runs, but is not ready", LogAndProbes),
            (
                container(json!({"running": {}}), json!({"terminated": {"exitCode": 1}})),
                Starting,
                "it runs, but is not ready; restarted 2 times, last exit code 1",
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
    fn an_init_container_that_hangs_counts_more_than_those_that_wait_for_it() {
        let init = |name: &str, state: Value| json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        let mut status = waiting("PodInitializing", "");
        status["initContainerStatuses"] = json!([
            init("done", json!({"terminated": {"exitCode": 0}})),
            init("hangs", json!({"running": {}})),
            init("waits", json!({"waiting": {"reason": "PodInitializing"}})),
        ]);
        let pod = json!({"metadata": {"name": "a-1"}, "status": status});
        let found = explain(&serde_json::from_value(pod).unwrap()).unwrap();
        assert_eq!((found.container.as_deref(), found.evidence), (Some("hangs"), Evidence::LogAndProbes));
    }

    #[test]
    fn an_eviction_counts_more_than_the_exit_code_that_it_caused() {
        let mut status = container(json!({"terminated": {"exitCode": 137}}), json!({}));
        status["phase"] = json!("Failed");
        status["reason"] = json!("Evicted");
        status["message"] = json!("The node was low on resource: memory.");
        assert_eq!(read(status).unwrap().1, "it was ended: Evicted: The node was low on resource: memory.");
    }

    #[test]
    fn a_probe_that_failed_is_told_with_the_exit_code() {
        assert_eq!(
            ended(0, "Liveness probe failed: timeout"),
            "it ended (exit code 0) after its probe had failed: Liveness probe failed: timeout"
        );
    }

    #[test]
    fn a_ready_pod_and_one_that_goes_away_need_no_explanation() {
        let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        assert_eq!(read(ready), None);
        let pod = json!({"metadata": {"name": "a", "deletionTimestamp": "2026-11-21T03:00:00Z"},
                         "status": waiting("CrashLoopBackOff", "")});
        assert_eq!(explain(&serde_json::from_value(pod).unwrap()), None);
    }

    #[test]
    fn a_node_without_the_cache_is_told_from_a_registry_that_is_away() {
        let refused = "dial tcp 127.0.0.1:15001: connect: connection refused";
        assert!(
            no_cache("localhost:15001/web@sha256:0", refused)
                .contains("nothing answers at localhost:15001 on the pod's node")
        );
        assert_eq!(no_cache("registry.example/web@sha256:0", refused), "");
        assert_eq!(no_cache("localhost:15001/web@sha256:0", "manifest unknown"), "");
    }
}
