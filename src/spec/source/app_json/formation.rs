//! `formation`: the number of pods of each process.

use super::super::super::node::{Entry, Node, Value};
use super::super::super::problem::Problems;
use super::{copy_keys, warn_unused};

pub(super) fn translate(formation: &Node, root: &mut Node, problems: &mut Problems) {
    if !matches!(formation.value, Value::Map(_)) {
        problems.error(&formation.origin, "formation has to be a map of processes");
    }
    for Entry { key: process, value, .. } in formation.entries() {
        let path = ["processes", process.as_str()];
        warn_unused(value, &["quantity", "autoscaling"], problems);
        copy_keys(value, root, &path, &[("quantity", "replicas")]);
        if let Some(autoscaling) = value.get("autoscaling") {
            translate_autoscaling(autoscaling, root, process, problems);
        }
    }
}

/// Dokku's triggers `cpu` and `memory` are those that a HorizontalPodAutoscaler has.
fn translate_autoscaling(autoscaling: &Node, root: &mut Node, process: &str, problems: &mut Problems) {
    let path = ["processes", process, "autoscale"];
    warn_unused(autoscaling, &["min_quantity", "max_quantity", "triggers"], problems);
    copy_keys(autoscaling, root, &path, &[("min_quantity", "min"), ("max_quantity", "max")]);
    let triggers = match autoscaling.get("triggers").map(|triggers| &triggers.value) {
        Some(Value::List(triggers)) => triggers.as_slice(),
        _ => &[],
    };
    for trigger in triggers {
        let kind = trigger.get("type").and_then(Node::as_text).unwrap_or_default();
        let value = trigger.get("metadata").and_then(|metadata| metadata.get("value"));
        match (kind, value) {
            ("cpu" | "memory", Some(value)) => root.set(&[&path[..], &[kind]].concat(), value.clone()),
            _ => problems.warn(&trigger.origin, format!("a trigger of type {kind:?} is not used by slipway")),
        }
    }
}
