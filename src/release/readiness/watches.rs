//! The watches of an object, its ReplicaSets and its pods.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream, SelectAll};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::api::DynamicObject;
use kube::runtime::watcher::Config;
use kube::{Api, Client};

use super::kind::TrackedKind;
use super::rollout::WatchEvent;
use crate::domain::{Manifest, Target};
use crate::k8s::watch_events;

/// The events of an object and, for a kind with pods, of the ReplicaSets and pods that its selector matches. An interrupted
/// watch does not fail the rollout; the deadline still ends the wait.
pub(super) fn watch_object(
    client: &Client,
    target: &Target,
    objects: Api<DynamicObject>,
    kind: TrackedKind,
    manifest: &Manifest,
) -> SelectAll<BoxStream<'static, WatchEvent>> {
    let by_name = Config::default().fields(&format!("metadata.name={}", manifest.name()));
    let mut events = stream::select_all([watch_events(objects, by_name).map(WatchEvent::Object).boxed()]);
    let by_labels = Config::default().labels(&pod_selector(kind, manifest));
    if kind == TrackedKind::Deployment {
        let sets = Api::namespaced(client.clone(), target.namespace.as_str());
        events.push(watch_events::<ReplicaSet>(sets, by_labels.clone()).map(WatchEvent::ReplicaSet).boxed());
    }
    if kind.has_pods() {
        let pods = Api::namespaced(client.clone(), target.namespace.as_str());
        events.push(watch_events::<Pod>(pods, by_labels).map(WatchEvent::Pod).boxed());
    }
    events
}

/// The label selector of an object's pods. The API server generates the selector of a Job; the label `job-name` is
/// fixed.
pub(super) fn pod_selector(kind: TrackedKind, manifest: &Manifest) -> String {
    if kind == TrackedKind::Job {
        return format!("job-name={}", manifest.name());
    }
    let selector = manifest.object.pointer("/spec/selector").cloned().unwrap_or_default();
    let LabelSelector { match_labels, match_expressions } = serde_json::from_value(selector).unwrap_or_default();
    let labels = match_labels.into_iter().flatten().map(|(key, value)| format!("{key}={value}"));
    let expressions = match_expressions.into_iter().flatten().map(|requirement| format_requirement(&requirement));
    labels.chain(expressions).collect::<Vec<_>>().join(",")
}

/// A requirement in the syntax of a request.
fn format_requirement(requirement: &LabelSelectorRequirement) -> String {
    let LabelSelectorRequirement { key, operator, values } = requirement;
    let values = values.iter().flatten().cloned().collect::<Vec<_>>().join(",");
    match operator.as_str() {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "DoesNotExist" => format!("!{key}"),
        _ => key.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_selector_of_a_workload_selects_its_pods() {
        let selector = |kind: TrackedKind, selector: Value| {
            let object = json!({"metadata": {"name": "a"}, "spec": {"selector": selector}});
            pod_selector(kind, &Manifest { source: String::new(), object })
        };
        let expressions = json!([
            {"key": "tier", "operator": "In", "values": ["web", "api"]},
            {"key": "track", "operator": "NotIn", "values": ["canary"]},
            {"key": "app", "operator": "Exists"},
            {"key": "old", "operator": "DoesNotExist"},
        ]);
        let both = json!({"matchLabels": {"a": "b", "c": "d"}, "matchExpressions": expressions});
        assert_eq!(selector(TrackedKind::Deployment, both), "a=b,c=d,tier in (web,api),track notin (canary),app,!old");
        assert_eq!(selector(TrackedKind::DaemonSet, json!({"matchLabels": {"a": "b"}})), "a=b");
        assert_eq!(selector(TrackedKind::Job, json!(null)), "job-name=a");
    }
}
