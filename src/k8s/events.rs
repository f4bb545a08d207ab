//! Publishes Kubernetes Events.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use super::request::with_timeout;

/// The log and the metrics report the same, so losing an Event does no harm.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);
/// The API server refuses a longer note.
/// <https://github.com/kubernetes/kubernetes/blob/v1.33.0/pkg/apis/core/validation/events.go#L36>
const MAX_NOTE_BYTES: usize = 1024;

/// An Event about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEvent {
    pub object: EventObject,
    pub event_type: EventType,
    /// A word in CamelCase, by which users select Events.
    pub reason: &'static str,
    /// The action during which the reason occurred.
    pub action: &'static str,
    pub note: String,
}

/// The object that an Event is about. It need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventObject {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub namespace: String,
    pub name: String,
}

/// Publishes Events in the name of this slipway process.
#[derive(Clone)]
pub struct EventPublisher {
    client: Client,
    /// The name of this process, as its locks have it.
    instance: String,
}

impl fmt::Debug for EventPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventPublisher").field("instance", &self.instance).finish_non_exhaustive()
    }
}

impl EventPublisher {
    pub fn new(client: Client, instance: &str) -> Self {
        Self { client, instance: instance.to_owned() }
    }

    /// Publishes an Event in the background. A failure, such as a missing permission, is only logged.
    pub fn publish(&self, event: ObjectEvent) {
        let publisher = self.clone();
        tokio::spawn(async move { publisher.send(event).await });
    }

    async fn send(self, ObjectEvent { object, event_type, reason, action, note }: ObjectEvent) {
        let note = Some(truncate_note(note));
        let event = Event { type_: event_type, reason: reason.into(), note, action: action.into(), secondary: None };
        // A recorder that is kept would merge this Event into an earlier one with the same reason, and lose the note.
        let reporter = Reporter { controller: "slipway".into(), instance: Some(self.instance) };
        let recorder = Recorder::new(self.client, reporter);
        let EventObject { kind, namespace, name, .. } = &object;
        let reference = object.to_reference();
        let published = recorder.publish(&event, &reference);
        if let Err(error) = with_timeout("writing a Kubernetes Event", PUBLISH_TIMEOUT, published).await {
            tracing::debug!(kind, namespace, name, reason, %error, "cannot write a Kubernetes Event");
        }
    }
}

impl EventObject {
    fn to_reference(&self) -> ObjectReference {
        ObjectReference {
            api_version: Some(self.api_version.to_owned()),
            kind: Some(self.kind.to_owned()),
            namespace: Some(self.namespace.clone()),
            name: Some(self.name.clone()),
            ..ObjectReference::default()
        }
    }
}

fn truncate_note(mut note: String) -> String {
    let fits = |end: &usize| *end <= MAX_NOTE_BYTES;
    let ends = note.char_indices().map(|(start, char)| start + char.len_utf8());
    note.truncate(ends.take_while(fits).last().unwrap_or_default());
    note
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tokio::sync::mpsc;

    use super::*;

    /// A client, and the bodies of the requests that it sends.
    fn recording_client() -> (Client, mpsc::Receiver<Value>) {
        let (sender, bodies) = mpsc::channel(1);
        let service = tower::service_fn(move |request: Request<Body>| {
            let sender = sender.clone();
            async move {
                let body = request.into_body().collect_bytes().await?;
                sender.send(serde_json::from_slice(&body).unwrap()).await.unwrap();
                Ok::<_, kube::Error>(Response::new(Body::from(body.to_vec())))
            }
        });
        (Client::new(service, "default"), bodies)
    }

    fn event(note: &str) -> ObjectEvent {
        let (namespace, name) = ("web".to_owned(), "web".to_owned());
        let object = EventObject { api_version: "apps/v1", kind: "Deployment", namespace, name };
        ObjectEvent { object, event_type: EventType::Normal, reason: "Deployed", action: "Deploy", note: note.into() }
    }

    #[tokio::test]
    async fn an_event_names_its_object_and_the_reporting_process() {
        let (client, mut sent) = recording_client();
        EventPublisher::new(client, "gateway-1").publish(event("v1: 4937c40 by alice"));
        let sent = sent.recv().await.unwrap();
        assert_eq!(sent["metadata"]["namespace"], "web");
        assert_eq!(
            sent["regarding"],
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "web", "name": "web"})
        );
        let reporter = (&sent["reportingController"], &sent["reportingInstance"]);
        assert_eq!(reporter, (&json!("slipway"), &json!("gateway-1")));
        assert_eq!((&sent["reason"], &sent["action"]), (&json!("Deployed"), &json!("Deploy")));
        assert_eq!((&sent["type"], &sent["note"]), (&json!("Normal"), &json!("v1: 4937c40 by alice")));
    }

    #[tokio::test]
    async fn each_event_keeps_its_note() {
        let (client, mut sent) = recording_client();
        let publisher = EventPublisher::new(client, "gateway-1");
        for note in ["v1", "v2"] {
            publisher.publish(event(note));
            assert_eq!(sent.recv().await.unwrap()["note"], note);
        }
    }

    #[test]
    fn a_note_is_truncated_to_the_limit_of_the_api_server() {
        assert_eq!(truncate_note("short".into()), "short");
        assert_eq!(truncate_note("x".repeat(5000)).len(), MAX_NOTE_BYTES);
        let truncated = truncate_note(format!("x{}", "ü".repeat(1000)));
        assert_eq!((truncated.len(), truncated.chars().last()), (MAX_NOTE_BYTES - 1, Some('ü')));
    }
}
