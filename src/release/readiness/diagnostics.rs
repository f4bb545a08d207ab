//! Details of a pod's problem that only the API server has: container logs and events.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};

use super::super::object_id::ObjectId;
use super::events::ObjectEvents;
use super::pod_problem::{DiagnosticSource, PodProblem, ProblemKind};
use super::port_origin::PortOrigin;
use super::probe_hint::explain_probe_failure;
use crate::domain::{Progress, Target};
use crate::k8s::with_timeout;

/// Short, since the rollback starts only after the diagnosis.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
const LOG_TAIL_LINES: i64 = 20;
const LOG_LIMIT_BYTES: i64 = 16 * 1024;
/// The reasons of the events by which controllers report that they cannot carry out an object's specification.
const CONTROLLER_WARNINGS: [&str; 4] =
    ["FailedCreate", "FailedBinding", "ProvisioningFailed", "SyncLoadBalancerFailed"];

/// A run of a container that is started again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// The newest one.
    Present,
    /// The one before.
    Previous,
}

/// Reads the logs and events of a release's pods.
pub(super) struct PodDiagnostics {
    client: Client,
    target: Target,
    port_origin: Option<PortOrigin>,
    /// The logs that were printed already.
    printed_logs: BTreeSet<String>,
}

impl PodDiagnostics {
    pub(super) fn new(client: &Client, target: &Target, port_origin: Option<PortOrigin>) -> Self {
        Self { client: client.clone(), target: target.clone(), port_origin, printed_logs: BTreeSet::new() }
    }

    /// Describes a problem in one sentence, with the details of its source. Prints the container's last lines to the
    /// pusher.
    pub(super) async fn describe(&mut self, problem: &PodProblem, progress: &Progress) -> String {
        let PodProblem { kind, pod, container, text, source, .. } = problem;
        // A container that is not started yet is still the one that ended.
        let runs = match kind {
            ProblemKind::Crash { is_running: false, .. } => [Run::Present, Run::Previous],
            _ => [Run::Previous, Run::Present],
        };
        let container = container.as_deref().unwrap_or_default();
        let text = match *source {
            DiagnosticSource::None => text.clone(),
            DiagnosticSource::PreviousLog => {
                self.print_log(pod, container, runs, progress).await;
                text.clone()
            }
            DiagnosticSource::PreviousLogAndProbeEvents { exit_code } => {
                self.print_log(pod, container, runs, progress).await;
                describe_end_with_events(text, exit_code, container, &self.pod_events(pod).await)
            }
            DiagnosticSource::LogAndProbeEvents => {
                self.print_log(pod, container, runs, progress).await;
                let event = self.pod_events(pod).await.newest_message(&["Unhealthy"]);
                let text = add_event(text, event.as_deref());
                explain_probe_failure(event.as_deref(), self.port_origin)
                    .map_or_else(|| text.clone(), |hint| format!("{text}. {hint}"))
            }
            DiagnosticSource::Events(reasons) => {
                add_event(text, self.pod_events(pod).await.newest_message(reasons).as_deref())
            }
        };
        match &problem.outlook {
            Some(outlook) => format!("{} {text}; {outlook}", problem.subject()),
            None => format!("{} {text}", problem.subject()),
        }
    }

    /// The newest event by which a controller reports that it cannot carry out an object's specification, and how often
    /// it did.
    pub(super) async fn controller_warning(&self, id: &ObjectId) -> Option<(String, i32)> {
        let events = ObjectEvents::read(&self.client, &self.target, &id.kind, &id.name).await;
        events.newest_with_count(&CONTROLLER_WARNINGS)
    }

    async fn pod_events(&self, pod: &str) -> ObjectEvents {
        ObjectEvents::read(&self.client, &self.target, "Pod", pod).await
    }

    /// Prints the log of the first of these runs that has one.
    async fn print_log(&mut self, pod: &str, container: &str, runs: [Run; 2], progress: &Progress) {
        let mut log = None;
        for run in runs {
            log = self.read_log(pod, container, run).await.filter(|text| is_log(text));
            if log.is_some() {
                break;
            }
        }
        match log.as_deref().map(str::trim_end) {
            Some(text) if self.printed_logs.insert(format!("{pod} {container} {text}")) => {
                progress.log(format!("the last lines of container {container} in pod/{pod}:")).await;
                for line in text.lines() {
                    progress.log(format!("| {line}")).await;
                }
            }
            Some(_) => {}
            None => progress.log(format!("container {container} in pod/{pod} wrote no log")).await,
        }
    }

    /// `None` if the container never ran or its log is no longer kept.
    async fn read_log(&self, pod: &str, container: &str, run: Run) -> Option<String> {
        let previous = run == Run::Previous;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), self.target.namespace.as_str());
        let params = LogParams {
            container: Some(container.to_owned()),
            previous,
            tail_lines: Some(LOG_TAIL_LINES),
            limit_bytes: Some(LOG_LIMIT_BYTES),
            ..LogParams::default()
        };
        let log = with_timeout("reading a container's log", READ_TIMEOUT, pods.logs(pod, &params)).await;
        log.inspect_err(|error| tracing::debug!(%error, pod, previous, "cannot read the container's log")).ok()
    }
}

/// Whether the text is a container's log. For a container that is deleted already, some kubelets return an error as its log.
fn is_log(text: &str) -> bool {
    !text.trim().is_empty() && !text.starts_with("unable to retrieve container logs for ")
}

/// Describes the end of a container that the kubelet may have ended after a failed probe.
fn describe_end_with_events(text: &str, exit_code: i32, container: &str, events: &ObjectEvents) -> String {
    let probe = events.newest_message(&["Unhealthy"]);
    match (events.probe_kill(container), probe) {
        (Some(_), Some(probe)) => {
            format!("was ended by the kubelet (exit code {exit_code}), since its probe failed: {probe}")
        }
        (Some(kill), None) => format!("was ended by the kubelet (exit code {exit_code}): {kill}"),
        // The exit code does not say whether the failed probe was the reason.
        (None, Some(probe)) => format!("ended (exit code {exit_code}) after its probe had failed: {probe}"),
        (None, None) => text.to_owned(),
    }
}

/// Adds the event's message to `text`, unless `text` contains it.
fn add_event(text: &str, event: Option<&str>) -> String {
    match event.filter(|event| !text.contains(event)) {
        Some(event) => format!("{text}: {event}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_added_unless_the_text_contains_its_message() {
        for (text, event, expected) in [
            ("is running", Some("Startup probe failed"), "is running: Startup probe failed"),
            ("is running", None, "is running"),
            ("no image: denied", Some("denied"), "no image: denied"),
        ] {
            assert_eq!(add_event(text, event), expected);
        }
    }
}
