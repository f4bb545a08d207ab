//! Details of a pod's problem that only the API server has: container logs and events.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{ListParams, LogParams};
use kube::{Api, Client};

use super::super::object_id::ObjectId;
use super::pod_problem::{DiagnosticSource, PodProblem, describe_end_after_probe};
use crate::domain::{Progress, Target};
use crate::k8s::with_timeout;

/// Short, since the rollback starts only after the diagnosis.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
const LOG_TAIL_LINES: i64 = 20;
const LOG_LIMIT_BYTES: i64 = 16 * 1024;
const EVENT_LIMIT: u32 = 100;
/// The reasons of the events by which controllers report that they cannot carry out an object's specification.
const CONTROLLER_WARNINGS: [&str; 4] =
    ["FailedCreate", "FailedBinding", "ProvisioningFailed", "SyncLoadBalancerFailed"];

/// Reads the logs and events of a release's pods.
pub(super) struct PodDiagnostics<'a> {
    pub client: &'a Client,
    pub target: &'a Target,
}

impl PodDiagnostics<'_> {
    /// Describes a problem in one sentence, with the details of its source. Prints the container's last lines to the
    /// pusher.
    pub(super) async fn describe(&self, problem: &PodProblem, progress: &Progress) -> String {
        let PodProblem { pod, container, text, source, .. } = problem;
        let container = container.as_deref().unwrap_or_default();
        if let DiagnosticSource::PreviousLog
        | DiagnosticSource::PreviousLogAndProbeEvents { .. }
        | DiagnosticSource::LogAndProbeEvents = source
        {
            self.print_log(pod, container, progress).await;
        }
        let event = match source {
            DiagnosticSource::None | DiagnosticSource::PreviousLog => None,
            DiagnosticSource::Events(reasons) => self.newest_event("Pod", pod, reasons).await,
            DiagnosticSource::PreviousLogAndProbeEvents { .. } | DiagnosticSource::LogAndProbeEvents => {
                self.newest_event("Pod", pod, &["Unhealthy"]).await
            }
        };
        format!("{} {}", problem.subject(), add_event(text, *source, event.as_deref()))
    }

    /// The newest event by which a controller reports that it cannot carry out an object's specification.
    pub(super) async fn warning_event(&self, id: &ObjectId) -> Option<String> {
        self.newest_event(&id.kind, &id.name, &CONTROLLER_WARNINGS).await
    }

    /// Prints the log of the previous container, which shows the crash, or else that of the running one.
    async fn print_log(&self, pod: &str, container: &str, progress: &Progress) {
        let mut log = self.read_log(pod, container, true).await;
        if log.as_ref().is_none_or(|text| text.trim().is_empty()) {
            log = self.read_log(pod, container, false).await;
        }
        match log.as_deref().map(str::trim_end).filter(|text| !text.is_empty()) {
            Some(text) => {
                progress.log(format!("the last lines of container {container} in pod/{pod}:")).await;
                for line in text.lines() {
                    progress.log(format!("| {line}")).await;
                }
            }
            None => progress.log(format!("container {container} in pod/{pod} wrote no log")).await,
        }
    }

    /// `None` if the container never ran or its log is no longer kept.
    async fn read_log(&self, pod: &str, container: &str, previous: bool) -> Option<String> {
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

    /// The message of the newest event about an object with one of `reasons`.
    async fn newest_event(&self, kind: &str, name: &str, reasons: &[&str]) -> Option<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), self.target.namespace.as_str());
        let selector = format!("involvedObject.kind={kind},involvedObject.name={name}");
        let params = ListParams::default().fields(&selector).limit(EVENT_LIMIT);
        let list = with_timeout("reading the events about an object", READ_TIMEOUT, events.list(&params)).await;
        let list = list
            .inspect_err(|error| tracing::debug!(%error, kind, name, "cannot read the events about the object"))
            .ok()?;
        let matching =
            list.items.into_iter().filter(|event| reasons.contains(&event.reason.as_deref().unwrap_or_default()));
        // For a failed pull the kubelet reports the cause first, and then only `Error: ErrImagePull`.
        let causes =
            matching.filter(|event| event.message.as_deref().is_some_and(|message| !message.starts_with("Error: ")));
        causes.max_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0)).and_then(|event| event.message)
    }
}

/// Adds the event's message to `text`, unless `text` contains it.
fn add_event(text: &str, source: DiagnosticSource, event: Option<&str>) -> String {
    match (source, event.filter(|event| !text.contains(event))) {
        (_, None) => text.to_owned(),
        (DiagnosticSource::PreviousLogAndProbeEvents { exit_code }, Some(probe)) => {
            describe_end_after_probe(exit_code, probe)
        }
        (_, Some(event)) => format!("{text}: {event}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_added_unless_the_text_contains_its_message() {
        let probe = Some("Startup probe failed");
        let crash = DiagnosticSource::PreviousLogAndProbeEvents { exit_code: 143 };
        for (text, source, event, expected) in [
            ("is running", DiagnosticSource::LogAndProbeEvents, probe, "is running: Startup probe failed"),
            ("is running", DiagnosticSource::LogAndProbeEvents, None, "is running"),
            ("no image: denied", DiagnosticSource::Events(&["Failed"]), Some("denied"), "no image: denied"),
            ("was killed", crash, None, "was killed"),
            ("was killed", crash, probe, "ended (exit code 143) after its probe had failed: Startup probe failed"),
        ] {
            assert_eq!(add_event(text, source, event), expected);
        }
    }
}
