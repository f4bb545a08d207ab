//! The events about an object.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::{Api, Client};

use crate::domain::Target;
use crate::k8s::with_timeout;

/// Short, since the rollback starts only after the diagnosis.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Kubernetes lists events by name, not by time, so that all of them are read, up to a bound.
const PAGE: u32 = 500;
const MAX_PAGES: usize = 4;

/// The events about one object.
#[derive(Debug, Default)]
pub(super) struct ObjectEvents(Vec<Event>);

impl ObjectEvents {
    /// Reads the events, if the server returns them in time.
    pub(super) async fn read(client: &Client, target: &Target, kind: &str, name: &str) -> Self {
        let events: Api<Event> = Api::namespaced(client.clone(), target.namespace.as_str());
        let selector = format!("involvedObject.kind={kind},involvedObject.name={name}");
        let mut params = ListParams::default().fields(&selector).limit(PAGE);
        let mut items = Vec::new();
        for _ in 0..MAX_PAGES {
            match with_timeout("reading the events about an object", READ_TIMEOUT, events.list(&params)).await {
                Ok(page) => {
                    items.extend(page.items);
                    let Some(next) = page.metadata.continue_.filter(|token| !token.is_empty()) else { break };
                    params = params.continue_token(&next);
                }
                Err(error) => {
                    tracing::debug!(%error, kind, name, "cannot read the events about the object");
                    break;
                }
            }
        }
        Self(items)
    }

    /// The newest event with one of these reasons, and a message for which `is_cause` holds.
    fn newest(&self, reasons: &[&str], is_cause: impl Fn(&str) -> bool) -> Option<&Event> {
        let has_reason = |event: &&Event| reasons.contains(&event.reason.as_deref().unwrap_or_default());
        let matching = self.0.iter().filter(has_reason);
        let causes = matching.filter(|event| event.message.as_deref().is_some_and(&is_cause));
        causes.max_by_key(|event| last_time(event))
    }

    /// The message of the newest event with one of these reasons.
    pub(super) fn newest_message(&self, reasons: &[&str]) -> Option<String> {
        self.newest_with_count(reasons).map(|(message, _)| message)
    }

    /// The message of the newest event with one of these reasons, and how often the event was given.
    pub(super) fn newest_with_count(&self, reasons: &[&str]) -> Option<(String, i32)> {
        // For a failed pull the kubelet reports the cause first, and then only `Error: ErrImagePull`.
        let event = self.newest(reasons, |message| !message.starts_with("Error: "))?;
        Some((event.message.clone()?, count(event)))
    }

    /// The message with which the kubelet reports that it ends a container because of a probe.
    pub(super) fn probe_kill(&self, container: &str) -> Option<String> {
        let subject = format!("Container {container} failed ");
        self.newest(&["Killing"], |message| message.starts_with(&subject))?.message.clone()
    }
}

/// The time of the event's last occurrence. Which of the fields a component sets depends on its version.
fn last_time(event: &Event) -> Option<Timestamp> {
    let in_series = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let first = event.event_time.as_ref().map(|time| time.0);
    in_series.max(last).max(first)
}

fn count(event: &Event) -> i32 {
    event.series.as_ref().and_then(|series| series.count).or(event.count).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn events(list: &[Value]) -> ObjectEvents {
        ObjectEvents(list.iter().map(|event| serde_json::from_value(event.clone()).unwrap()).collect())
    }

    fn event(reason: &str, message: &str, times: Value) -> Value {
        let mut event =
            json!({"metadata": {"name": message}, "involvedObject": {}, "reason": reason, "message": message});
        event.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        event
    }

    #[test]
    fn the_newest_event_is_found_by_whichever_time_it_has() {
        let old = event("Failed", "old", json!({"lastTimestamp": "2026-11-21T03:00:00Z", "count": 3}));
        let new = event("Failed", "new", json!({"eventTime": "2026-11-21T03:00:01.000000Z"}));
        let series = json!({"count": 9, "lastObservedTime": "2026-11-21T03:00:02.000000Z"});
        let series = json!({"eventTime": "2026-11-21T02:00:00.000000Z", "series": series});
        let newest = event("Failed", "series", series);
        let error = event("Failed", "Error: ErrImagePull", json!({"lastTimestamp": "2026-11-21T04:00:00Z"}));
        let other = event("Pulled", "other", json!({"lastTimestamp": "2026-11-21T05:00:00Z"}));
        let all = [old.clone(), new.clone(), newest, error, other];
        assert_eq!(events(&all).newest_with_count(&["Failed"]), Some(("series".to_owned(), 9)));
        assert_eq!(events(&[new, old.clone()]).newest_message(&["Failed"]).as_deref(), Some("new"));
        assert_eq!(events(&[old]).newest_with_count(&["Failed"]), Some(("old".to_owned(), 3)));
        assert_eq!(events(&all).newest_message(&["Killing"]), None);
    }

    #[test]
    fn a_kill_after_a_failed_probe_is_found() {
        let at = || json!({"lastTimestamp": "2026-11-21T03:00:00Z"});
        let probe = "Container web failed startup probe, will be restarted";
        let found = events(&[event("Killing", "Stopping container web", at()), event("Killing", probe, at())]);
        assert_eq!(found.probe_kill("web").as_deref(), Some(probe));
        assert_eq!(found.probe_kill("other"), None);
    }
}
