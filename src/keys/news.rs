//! What `kubectl get events` shows of a ConfigMap of keys that is broken.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::time::timeout;

/// How long an event may take: nothing waits for it.
const DEADLINE: Duration = Duration::from_secs(10);
/// How much of what is wrong an event tells; the API server takes 1,024 bytes.
const NOTE: usize = 250;

/// Tells the cluster.
pub(super) struct News {
    client: Client,
    namespace: String,
}

impl fmt::Debug for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("News").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl News {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned() }
    }

    /// A ConfigMap is broken. Without the right to say so, the log and the metrics have to do.
    pub(super) fn broken(&self, map: &str, flaws: &str) {
        let about = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("ConfigMap".into()),
            name: Some(map.to_owned()),
            namespace: Some(self.namespace.clone()),
            ..ObjectReference::default()
        };
        let event = Event {
            type_: EventType::Warning,
            reason: "KeysBroken".into(),
            note: Some(flaws.chars().take(NOTE).collect()),
            action: "Read".into(),
            secondary: None,
        };
        let recorder = Recorder::new(self.client.clone(), Reporter { controller: "slipway".into(), instance: None });
        tokio::spawn(async move {
            match timeout(DEADLINE, recorder.publish(&event, &about)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "an event could not be written"),
                Err(_) => tracing::debug!("an event could not be written in time"),
            }
        });
    }
}
