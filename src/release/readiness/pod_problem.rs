//! Why a pod is not ready. Pure.

use super::start_error::StartError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Every pod passes through this state.
    Starting,
    /// The pod may recover: a node may be added, a registry or a database may come back.
    Recoverable,
    /// The pod will not become ready.
    Fatal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProblemKind {
    /// A container ended, so often since the rollout began; it may run again.
    Crash {
        ends: u32,
        is_running: bool,
    },
    /// The kubelet cannot start a container.
    StartError(StartError),
    /// A container runs, and is not ready.
    Unready,
    Other,
}

/// Where the details of a problem are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiagnosticSource {
    None,
    /// The log of the container that ended.
    PreviousLog,
    /// The log of the container that ended, and the events about its probes: the kubelet ends a container that fails
    /// its liveness or startup probe.
    PreviousLogAndProbeEvents {
        exit_code: i32,
    },
    /// The log of the running container, and the events about its probes.
    LogAndProbeEvents,
    /// The newest event about the pod with one of these reasons.
    Events(&'static [&'static str]),
}

/// Why a pod is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodProblem {
    pub kind: ProblemKind,
    pub severity: Severity,
    pub pod: String,
    /// The container that has the problem; `None` for a problem of the whole pod.
    pub container: Option<String>,
    /// The rest of a sentence that begins with [`PodProblem::subject`].
    pub text: String,
    pub source: DiagnosticSource,
    /// The event that a rollout waits for, if it does not fail at once.
    pub outlook: Option<String>,
}

impl PodProblem {
    pub(super) fn subject(&self) -> String {
        match &self.container {
            Some(container) => format!("container {container} in pod/{}", self.pod),
            None => format!("pod/{}", self.pod),
        }
    }

    /// The problem in one sentence, for a rollout that goes on.
    pub(super) fn describe(&self) -> String {
        match &self.outlook {
            Some(outlook) => format!("{} {}; {outlook}", self.subject(), self.text),
            None => format!("{} {}", self.subject(), self.text),
        }
    }
}
