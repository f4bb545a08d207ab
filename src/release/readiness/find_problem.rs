//! Finds out from a pod and its history why the pod is not ready. Pure.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodStatus};
use tokio::time::Instant;

use super::container_end::{describe_end, is_out_of_memory, last_end, was_not_started};
use super::crash_policy::{CrashVerdict, judge_crash};
use super::pod_history::{ContainerHistory, PodHistory};
use super::pod_problem::{DiagnosticSource, PodProblem, ProblemKind, Severity};
use super::probe::describe_pending_probe;
use super::ready_condition::is_ready;
use super::start_error::{START_ERROR_GRACE, StartError};
use crate::domain::runtime_cause;

const PULL_EVENTS: DiagnosticSource = DiagnosticSource::Events(&["Failed"]);
const CREATION_EVENTS: DiagnosticSource =
    DiagnosticSource::Events(&["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"]);

/// The worst reason why `pod` is not ready; `None` if the pod is ready or is being deleted. Without a history, no restart
/// is waited for.
pub(super) fn find_problem(pod: &Pod, history: Option<&PodHistory>, now: Instant) -> Option<PodProblem> {
    let status = pod.status.as_ref()?;
    if pod.metadata.deletion_timestamp.is_some() || is_ready(pod) {
        return None;
    }
    let name = pod.metadata.name.clone().unwrap_or_default();
    let of_pod = |text| Finding::other(Severity::Recoverable, text, DiagnosticSource::None).of_pod(name.clone());
    // An eviction explains the exit codes that it caused.
    if let Some(message) = failure_message(status) {
        return Some(of_pod(format!("failed: {message}")));
    }
    let unschedulable = unschedulable_message(status).map(|message| of_pod(format!("cannot be scheduled: {message}")));
    let main = status.container_statuses.iter().flatten();
    let init = status.init_container_statuses.iter().flatten().rev();
    let containers = main.chain(init).filter_map(|container| {
        let history = history.and_then(|pod| pod.container(&container.name));
        let problem = ContainerView { pod, container, history, now }.find_problem()?.of_pod(name.clone());
        Some(PodProblem { container: Some(container.name.clone()), ..problem })
    });
    // The last of equal severities is taken: the first init container that does not end before the containers that wait
    // for it.
    unschedulable.into_iter().chain(containers).max_by_key(|problem| problem.severity)
}

/// The newest end, since the rollout began, of a container that may run again.
pub(super) fn find_ends(pod: &Pod, history: &PodHistory, now: Instant) -> Vec<PodProblem> {
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let ends = containers.filter_map(|container| {
        let history = history.container(&container.name).filter(|history| history.ends() > 0)?;
        let finding = ContainerView { pod, container, history: Some(history), now }.crash("");
        let pod = pod.metadata.name.clone().unwrap_or_default();
        Some(PodProblem { container: Some(container.name.clone()), ..finding.of_pod(pod) })
    });
    ends.collect()
}

/// A problem without the names of its pod and container.
struct Finding {
    kind: ProblemKind,
    severity: Severity,
    text: String,
    source: DiagnosticSource,
    outlook: Option<String>,
}

impl Finding {
    fn other(severity: Severity, text: String, source: DiagnosticSource) -> Self {
        Self { kind: ProblemKind::Other, severity, text, source, outlook: None }
    }

    fn of_pod(self, pod: String) -> PodProblem {
        let Self { kind, severity, text, source, outlook } = self;
        PodProblem { kind, severity, pod, container: None, text, source, outlook }
    }
}

/// A container's status, with its history if the pod has one.
struct ContainerView<'a> {
    pod: &'a Pod,
    container: &'a ContainerStatus,
    history: Option<&'a ContainerHistory>,
    now: Instant,
}

impl ContainerView<'_> {
    fn find_problem(&self) -> Option<Finding> {
        let state = self.container.state.as_ref()?;
        if let Some(waiting) = &state.waiting {
            let message = waiting.message.as_deref().unwrap_or_default();
            Some(self.classify_waiting(waiting.reason.as_deref().unwrap_or_default(), message))
        } else if let Some(ended) = &state.terminated {
            (ended.exit_code != 0).then(|| self.crash(""))
        } else if state.running.is_some() && !self.container.ready {
            if self.has_ended_too_often() {
                return Some(self.crash(""));
            }
            let text = describe_unready(self.pod, self.container);
            let unready = Finding::other(Severity::Starting, text, DiagnosticSource::LogAndProbeEvents);
            Some(Finding { kind: ProblemKind::Unready, ..unready })
        } else {
            None
        }
    }

    /// Whether the next start was the last one to wait for, although the kubelet started the container again.
    fn has_ended_too_often(&self) -> bool {
        let has_ended = self.history.is_some_and(|history| history.ends() > 0);
        has_ended && judge_crash(last_end(self.container), self.history) == CrashVerdict::Final
    }

    /// The reasons are those of the kubelet.
    fn classify_waiting(&self, reason: &str, message: &str) -> Finding {
        match (reason, StartError::from_reason(reason)) {
            (_, Some(error)) => self.start_error(error, message),
            ("" | "ContainerCreating" | "PodInitializing", _) => {
                Finding::other(Severity::Starting, "is being created".to_owned(), CREATION_EVENTS)
            }
            ("CrashLoopBackOff", _) => self.crash(message),
            (other, _) => {
                let text = format!("is waiting: {other}: {message}");
                Finding::other(Severity::Recoverable, text, DiagnosticSource::None)
            }
        }
    }

    fn memory_limit(&self) -> Option<&str> {
        let mut containers = self.pod.spec.as_ref()?.containers.iter();
        let spec = containers.find(|container| container.name == self.container.name)?;
        Some(&spec.resources.as_ref()?.limits.as_ref()?.get("memory")?.0)
    }

    fn crash(&self, waiting_message: &str) -> Finding {
        let end = last_end(self.container);
        let back_off = back_off(waiting_message).map(|time| format!(" (back-off {time})")).unwrap_or_default();
        let is_running = self.container.state.as_ref().is_some_and(|state| state.running.is_some());
        let (severity, outlook) = match judge_crash(end, self.history) {
            CrashVerdict::Final => (Severity::Fatal, None),
            CrashVerdict::Earlier => {
                let outlook = format!("that was before this rollout, which waits for its next start{back_off}");
                (Severity::Recoverable, Some(outlook))
            }
            CrashVerdict::StartsAgain { ends, limit } => {
                let times = if ends == 1 { "once".to_owned() } else { format!("{ends} times") };
                let next = match is_running {
                    true => "it runs again".to_owned(),
                    false => format!("waiting for its next start{back_off}"),
                };
                let outlook = format!("ended {times} so far, fails the rollout at {limit}; {next}");
                (Severity::Recoverable, Some(outlook))
            }
        };
        let text = end.map_or_else(|| "crashed".to_owned(), |end| describe_end(end, self.memory_limit()));
        let source = end.map_or(DiagnosticSource::PreviousLog, source_of_end);
        let ends = self.history.map(ContainerHistory::ends).unwrap_or_default();
        Finding { kind: ProblemKind::Crash { ends, is_running }, severity, text, source, outlook }
    }

    fn start_error(&self, error: StartError, message: &str) -> Finding {
        let image = &self.container.image;
        let (text, source) = match error {
            StartError::Pull => {
                let hint = registry_cache_hint(image, message);
                let text = format!("cannot start: the image {image} cannot be pulled: {message}{hint}");
                (text, DiagnosticSource::None)
            }
            StartError::PullBackOff => (format!("cannot start: the image {image} cannot be pulled"), PULL_EVENTS),
            StartError::Image => {
                (format!("cannot start: the image {image} cannot be used: {message}"), DiagnosticSource::None)
            }
            StartError::Creation => (format!("cannot start: {}", runtime_cause(message)), DiagnosticSource::None),
        };
        let since = self.history.and_then(ContainerHistory::start_fails_since);
        let may_pass = since.is_some_and(|since| self.now < since + START_ERROR_GRACE) && !error.is_permanent(message);
        let (severity, outlook) = match may_pass {
            true => (Severity::Recoverable, Some("the kubelet tries again".to_owned())),
            false => (Severity::Fatal, None),
        };
        Finding { kind: ProblemKind::StartError(error), severity, text, source, outlook }
    }
}

/// The delay in the kubelet's message `back-off 10s restarting failed container=…`.
fn back_off(message: &str) -> Option<&str> {
    message.strip_prefix("back-off ")?.split(' ').next()
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

/// The events about probes add nothing where the kubelet gives the reason of the end.
fn source_of_end(end: &ContainerStateTerminated) -> DiagnosticSource {
    match is_out_of_memory(end) || was_not_started(end) {
        true => DiagnosticSource::PreviousLog,
        false => DiagnosticSource::PreviousLogAndProbeEvents { exit_code: end.exit_code },
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
    match last_end(container) {
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
#[path = "find_problem_tests.rs"]
mod tests;
