//! Why a pod is not ready, read from the pod itself. Pure.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodStatus};

use super::probe::describe_pending_probe;
use crate::domain::runtime_cause;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Every pod passes through this state.
    Starting,
    /// The pod may recover: a node may be added, a registry may come back.
    Recoverable,
    /// The pod will not become ready.
    Fatal,
}

/// Where the details of a problem are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiagnosticSource {
    None,
    /// The log of the container that ended.
    PreviousLog,
    /// The log of the container that ended, and the events about its probes: the kubelet ends a container that fails
    /// its liveness or startup probe. See [`describe_end_after_probe`].
    PreviousLogAndProbeEvents {
        exit_code: i32,
    },
    /// The log of the running container, and the events about its probes.
    LogAndProbeEvents,
    /// The newest event about the pod with one of these reasons.
    Events(&'static [&'static str]),
}

const PULL_EVENTS: DiagnosticSource = DiagnosticSource::Events(&["Failed"]);
const CREATION_EVENTS: DiagnosticSource =
    DiagnosticSource::Events(&["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"]);

/// Why a pod is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodProblem {
    pub severity: Severity,
    pub pod: String,
    /// The container that has the problem; `None` for a problem of the whole pod.
    pub container: Option<String>,
    /// The rest of a sentence that begins with [`PodProblem::subject`].
    pub text: String,
    pub source: DiagnosticSource,
}

impl PodProblem {
    pub(super) fn subject(&self) -> String {
        match &self.container {
            Some(container) => format!("container {container} in pod/{}", self.pod),
            None => format!("pod/{}", self.pod),
        }
    }
}

/// The worst reason why `pod` is not ready; `None` if the pod is ready or is being deleted.
pub(super) fn find_problem(pod: &Pod) -> Option<PodProblem> {
    let status = pod.status.as_ref()?;
    if pod.metadata.deletion_timestamp.is_some() || is_ready(pod) {
        return None;
    }
    let of_pod = |text| PodProblem {
        severity: Severity::Recoverable,
        pod: pod.metadata.name.clone().unwrap_or_default(),
        container: None,
        text,
        source: DiagnosticSource::None,
    };
    let unschedulable = unschedulable_message(status).map(|message| of_pod(format!("cannot be scheduled: {message}")));
    let failed = failure_message(status).map(|message| of_pod(format!("failed: {message}")));
    let main = status.container_statuses.iter().flatten();
    let init = status.init_container_statuses.iter().flatten().rev();
    let containers = main.chain(init).filter_map(|container| find_container_problem(pod, container));
    // The last of equal severities is taken: an eviction before the exit code that it caused, and the first init
    // container that does not end before the containers that wait for it.
    unschedulable.into_iter().chain(containers).chain(failed).max_by_key(|problem| problem.severity)
}

pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The message of the pod's condition `Ready`; `None` if the pod is ready or is being deleted.
pub(super) fn unready_message(pod: &Pod) -> Option<String> {
    let mut conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let ready = conditions.find(|condition| condition.type_ == "Ready" && condition.status != "True")?;
    let message = ready.message.as_deref().filter(|message| !message.is_empty())?;
    let name = pod.metadata.name.as_deref().filter(|_| pod.metadata.deletion_timestamp.is_none())?;
    Some(format!("pod/{name}: {message}"))
}

/// Describes a container that ended after a failed probe. The exit code does not say whether the kubelet killed the
/// container for that reason.
pub(super) fn describe_end_after_probe(exit_code: i32, probe: &str) -> String {
    format!("ended (exit code {exit_code}) after its probe had failed: {probe}")
}

fn find_container_problem(pod: &Pod, container: &ContainerStatus) -> Option<PodProblem> {
    let state = container.state.as_ref()?;
    let (severity, text, source) = if let Some(waiting) = &state.waiting {
        let message = waiting.message.as_deref().unwrap_or_default();
        classify_waiting(waiting.reason.as_deref().unwrap_or_default(), message, container)
    } else if let Some(ended) = state.terminated.as_ref().filter(|ended| ended.exit_code != 0) {
        (Severity::Recoverable, describe_end(ended), DiagnosticSource::PreviousLog)
    } else if state.running.is_some() && !container.ready {
        (Severity::Starting, describe_unready(pod, container), DiagnosticSource::LogAndProbeEvents)
    } else {
        return None;
    };
    let pod = pod.metadata.name.clone().unwrap_or_default();
    Some(PodProblem { severity, pod, container: Some(container.name.clone()), text, source })
}

/// A hint for nodes that pull through a registry cache of their own, if nothing listens there.
fn registry_cache_hint(image: &str, message: &str) -> String {
    let host = image.split('/').next().unwrap_or_default();
    let is_loopback = host.starts_with("localhost:") || host.starts_with("127.");
    match is_loopback && message.contains("connection refused") {
        true => format!("; nothing answers at {host} on the pod's node, where the registry's cache has to run"),
        false => String::new(),
    }
}

/// The reasons are those of the kubelet.
fn classify_waiting(reason: &str, message: &str, container: &ContainerStatus) -> (Severity, String, DiagnosticSource) {
    let image = &container.image;
    match reason {
        "" | "ContainerCreating" | "PodInitializing" => {
            (Severity::Starting, "is being created".to_owned(), CREATION_EVENTS)
        }
        // Fatal at once: about ten seconds later the kubelet reports ImagePullBackOff, without a second attempt.
        "ErrImagePull" | "ErrImageNeverPull" | "RegistryUnavailable" => {
            let hint = registry_cache_hint(image, message);
            let text = format!("cannot start: the image {image} cannot be pulled: {message}{hint}");
            (Severity::Fatal, text, DiagnosticSource::None)
        }
        "ImagePullBackOff" => {
            (Severity::Fatal, format!("cannot start: the image {image} cannot be pulled"), PULL_EVENTS)
        }
        "InvalidImageName" | "ErrImageInspect" => {
            let text = format!("cannot start: the image {image} cannot be used: {message}");
            (Severity::Fatal, text, DiagnosticSource::None)
        }
        "CrashLoopBackOff" => {
            let ended = last_termination(container);
            let text = ended.map_or_else(|| "crashed".to_owned(), describe_end);
            (Severity::Fatal, text, ended.map_or(DiagnosticSource::PreviousLog, termination_source))
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" | "PostStartHookError" => {
            (Severity::Fatal, format!("cannot start: {}", runtime_cause(message)), DiagnosticSource::None)
        }
        other => (Severity::Recoverable, format!("is waiting: {other}: {message}"), DiagnosticSource::None),
    }
}

fn last_termination(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    container.last_state.as_ref()?.terminated.as_ref()
}

/// The events about probes add nothing where the kubelet gives the reason of the termination.
fn termination_source(ended: &ContainerStateTerminated) -> DiagnosticSource {
    match ended.reason.as_deref() {
        Some("OOMKilled" | "ContainerCannotRun" | "StartError") => DiagnosticSource::PreviousLog,
        _ => DiagnosticSource::PreviousLogAndProbeEvents { exit_code: ended.exit_code },
    }
}

fn describe_end(ended: &ContainerStateTerminated) -> String {
    let code = ended.exit_code;
    match ended.reason.as_deref() {
        Some("OOMKilled") => "ran out of memory and was killed (OOMKilled)".to_owned(),
        Some("ContainerCannotRun" | "StartError") => {
            format!("cannot start: {}", runtime_cause(ended.message.as_deref().unwrap_or_default()))
        }
        _ if code == 0 => "ended by itself (exit code 0); an app has to keep running".to_owned(),
        // 128 + SIGKILL and 128 + SIGTERM: the kubelet ends a container with these signals.
        _ if matches!(code, 137 | 143) => format!("was killed (exit code {code})"),
        _ => format!("crashed (exit code {code})"),
    }
}

fn describe_unready(pod: &Pod, container: &ContainerStatus) -> String {
    let times = match container.restart_count {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    let text = match describe_pending_probe(pod, container) {
        Some(probe) => format!("is running, but its {probe} does not pass"),
        None => "is running, but is not ready".to_owned(),
    };
    match last_termination(container) {
        Some(ended) => format!("{text}; restarted {times}, last exit code {}", ended.exit_code),
        None => text,
    }
}

fn unschedulable_message(status: &PodStatus) -> Option<String> {
    let mut conditions = status.conditions.iter().flatten();
    let scheduled = conditions.find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    Some(scheduled.message.clone().unwrap_or_default())
}

fn failure_message(status: &PodStatus) -> Option<String> {
    let reason = status.reason.clone().unwrap_or_default();
    let message = status.message.clone().unwrap_or_default();
    (status.phase.as_deref() == Some("Failed") && !reason.is_empty()).then(|| format!("{reason}: {message}"))
}

#[cfg(test)]
#[path = "pod_problem_tests.rs"]
mod tests;
