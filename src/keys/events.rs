//! Kubernetes Events about broken key ConfigMaps.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::time::timeout;

/// How long the publication of an Event may take; no other work waits for it.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);
/// The length of an Event's note: the API server accepts 1,024 bytes, and a character has at most four.
const MAX_NOTE_CHARS: usize = 250;

pub(super) struct KeyEventRecorder {
    client: Client,
    namespace: String,
}

impl fmt::Debug for KeyEventRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEventRecorder").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl KeyEventRecorder {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned() }
    }

    /// Publishes a warning about a ConfigMap in the background. Without the permission to create Events, the log and
    /// the metrics still report the issues.
    pub(super) fn publish_issues(&self, config_map: &str, issues: &str) {
        let subject = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("ConfigMap".into()),
            name: Some(config_map.to_owned()),
            namespace: Some(self.namespace.clone()),
            ..ObjectReference::default()
        };
        let event = Event {
            type_: EventType::Warning,
            reason: "KeysBroken".into(),
            note: Some(issues.chars().take(MAX_NOTE_CHARS).collect()),
            action: "Read".into(),
            secondary: None,
        };
        let recorder = Recorder::new(self.client.clone(), Reporter { controller: "slipway".into(), instance: None });
        tokio::spawn(async move {
            match timeout(PUBLISH_TIMEOUT, recorder.publish(&event, &subject)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a Kubernetes Event could not be published"),
                Err(_) => tracing::debug!("a Kubernetes Event could not be published in time"),
            }
        });
    }
}
