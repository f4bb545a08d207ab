//! What has to be asked of the API server: the last lines of a pod that does not run, what events say, and how a claim's
//! class binds.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{DynamicObject, ListParams, LogParams};
use kube::{Api, Client};
use serde_json::Value;

use super::super::plan::ObjectId;
use super::explain::{self, Evidence, Explanation};
use crate::clusters::once;
use crate::domain::{AppName, Progress};

/// How long looking for evidence may take: the rollback waits for it.
const DEADLINE: Duration = Duration::from_secs(5);
const LINES: i64 = 20;
const BYTES: i64 = 16 * 1024;
/// How many events of one object are read.
const EVENTS: u32 = 100;
/// What controllers report about an object for which they cannot do what it asks.
const COMPLAINTS: [&str; 4] = ["FailedCreate", "FailedBinding", "ProvisioningFailed", "SyncLoadBalancerFailed"];

/// Where an app's evidence is found.
pub(super) struct Witness<'a> {
    pub client: &'a Client,
    pub app: &'a AppName,
}

impl Witness<'_> {
    /// The whole explanation in one sentence; a container's last lines go to the pusher at once.
    pub async fn describe(&self, found: &Explanation, progress: &Progress) -> String {
        let Explanation { pod, container, text, evidence, .. } = found;
        let subject = match container {
            Some(container) => format!("container {container} in pod/{pod}: "),
            None => format!("pod/{pod}: "),
        };
        let container = container.as_deref().unwrap_or_default();
        if let Evidence::PreviousLog | Evidence::PreviousLogAndProbes { .. } | Evidence::LogAndProbes = evidence {
            self.show_log(pod, container, progress).await;
        }
        let event = match evidence {
            Evidence::None | Evidence::PreviousLog => None,
            Evidence::Events(reasons) => self.event("Pod", pod, reasons).await,
            Evidence::PreviousLogAndProbes { .. } | Evidence::LogAndProbes => {
                self.event("Pod", pod, &["Unhealthy"]).await
            }
        };
        format!("{subject}{}", with_event(text, *evidence, event.as_deref()))
    }

    /// What a controller has to say about an object for which it cannot do what that asks.
    pub async fn complaint(&self, id: &ObjectId) -> Option<String> {
        self.event(&id.kind, &id.name, &COMPLAINTS).await
    }

    /// Of a container that was started again, what counts is what the one before has written.
    async fn show_log(&self, pod: &str, container: &str, progress: &Progress) {
        let mut log = self.log(pod, container, true).await;
        if log.as_ref().is_none_or(|text| text.trim().is_empty()) {
            log = self.log(pod, container, false).await;
        }
        match log.as_deref().map(str::trim_end).filter(|text| !text.is_empty()) {
            Some(text) => {
                progress.line(format!("the last lines of container {container} in pod/{pod}:")).await;
                for line in text.lines() {
                    progress.line(format!("| {line}")).await;
                }
            }
            None => progress.line(format!("container {container} in pod/{pod} has written nothing")).await,
        }
    }

    /// A container that never ran, or whose log is gone, has none.
    async fn log(&self, pod: &str, container: &str, previous: bool) -> Option<String> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), self.app.as_str());
        let params = LogParams {
            container: Some(container.to_owned()),
            previous,
            tail_lines: Some(LINES),
            limit_bytes: Some(BYTES),
            ..LogParams::default()
        };
        let log = once("reading a container's log", DEADLINE, pods.logs(pod, &params)).await;
        log.inspect_err(|error| tracing::debug!(%error, pod, previous, "no log")).ok()
    }

    /// The newest event about an object with one of `reasons`.
    async fn event(&self, kind: &str, name: &str, reasons: &[&str]) -> Option<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), self.app.as_str());
        let about = format!("involvedObject.kind={kind},involvedObject.name={name}");
        let about = ListParams::default().fields(&about).limit(EVENTS);
        let list = once("reading the events about an object", DEADLINE, events.list(&about)).await;
        let list = list.inspect_err(|error| tracing::debug!(%error, kind, name, "no events")).ok()?;
        let told =
            list.items.into_iter().filter(|event| reasons.contains(&event.reason.as_deref().unwrap_or_default()));
        // Of a failed pull, the kubelet reports the cause first and then, as `Error: ErrImagePull`, that there was one.
        let causes =
            told.filter(|event| event.message.as_deref().is_some_and(|message| !message.starts_with("Error: ")));
        causes.max_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0)).and_then(|event| event.message)
    }
}

fn with_event(text: &str, evidence: Evidence, event: Option<&str>) -> String {
    match (evidence, event.filter(|event| !text.contains(event))) {
        (_, None) => text.to_owned(),
        (Evidence::PreviousLogAndProbes { code }, Some(probe)) => explain::ended(code, probe),
        (_, Some(event)) => format!("{text}: {event}"),
    }
}

/// Whether the class of a PersistentVolumeClaim binds it only once a pod uses it. Where the class may not be read, the
/// pods that use the claim have to tell; they do not start without it.
pub(super) async fn binds_late(client: &Client, object: &DynamicObject) -> bool {
    let is_claim = object.types.as_ref().is_some_and(|types| types.kind == "PersistentVolumeClaim");
    let class = object.data.pointer("/spec/storageClassName").and_then(Value::as_str).filter(|name| !name.is_empty());
    let Some(class) = class.filter(|_| is_claim) else { return false };
    let classes: Api<StorageClass> = Api::all(client.clone());
    match once("reading a storage class", DEADLINE, classes.get_opt(class)).await {
        Ok(Some(class)) => class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
        Ok(None) => false,
        Err(error) => {
            tracing::warn!(%error, class, "a storage class cannot be read");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_added_to_what_the_pod_says_unless_it_says_the_same() {
        let probe = Some("Startup probe failed");
        let crash = Evidence::PreviousLogAndProbes { code: 143 };
        for (text, evidence, event, expected) in [
            ("it runs", Evidence::LogAndProbes, probe, "it runs: Startup probe failed"),
            ("it runs", Evidence::LogAndProbes, None, "it runs"),
            ("no image: denied", Evidence::Events(&["Failed"]), Some("denied"), "no image: denied"),
            ("it was killed", crash, None, "it was killed"),
            (
                "it was killed",
                crash,
                probe,
                "it ended (exit code 143) after its probe had failed: Startup probe failed",
            ),
        ] {
            assert_eq!(with_event(text, evidence, event), expected);
        }
    }
}
