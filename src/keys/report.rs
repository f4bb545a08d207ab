//! Reports changes of key ConfigMaps to the operator: in the log, and broken ones as Kubernetes Events.

use kube::runtime::events::EventType;

use super::cache::ShardReport;
use super::issue::KeyIssue;
use crate::k8s::{EventObject, EventPublisher, ObjectEvent};

/// How many issues of a ConfigMap are reported.
const MAX_REPORTED_ISSUES: usize = 5;

pub(super) struct ShardReporter {
    pub events: EventPublisher,
    /// The namespace of the ConfigMaps.
    pub namespace: String,
}

impl ShardReporter {
    pub(super) fn report(&self, reports: &[ShardReport]) {
        for report in reports {
            match report {
                ShardReport::Broken { name, issues } => self.report_issues(name, issues),
                ShardReport::Repaired { name } => tracing::info!(configmap = name, "a ConfigMap of keys is repaired"),
                ShardReport::Deleted { name } => tracing::info!(configmap = name, "a ConfigMap of keys was deleted"),
            }
        }
    }

    /// Reports all issues of a ConfigMap in one log line and one Event.
    fn report_issues(&self, name: &str, issues: &[KeyIssue]) {
        let first: Vec<String> = issues.iter().take(MAX_REPORTED_ISSUES).map(ToString::to_string).collect();
        let (first, more) = (first.join("; "), issues.len().saturating_sub(MAX_REPORTED_ISSUES));
        tracing::warn!(
            configmap = name,
            issues = first,
            more,
            "a ConfigMap of keys is broken; its valid lines still count"
        );
        self.events.publish(self.broken_event(name, first));
    }

    fn broken_event(&self, name: &str, note: String) -> ObjectEvent {
        let (namespace, name) = (self.namespace.clone(), name.to_owned());
        let object = EventObject { api_version: "v1", kind: "ConfigMap", namespace, name };
        ObjectEvent { object, event_type: EventType::Warning, reason: "KeysBroken", action: "Read", note }
    }
}
