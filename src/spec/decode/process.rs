//! Processes.

use super::super::node::Node;
use super::super::problem::Problems;
use super::fields::Fields;
use super::{autoscale, environment, health, names, resources, values};
use crate::domain::app_spec::{Process, RollingUpdate};

pub(super) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Process> {
    let mut fields = Fields::open(node, path, problems);
    let process = Process {
        command: fields.read("command", values::command),
        replicas: fields.read("replicas", values::number(values::REPLICAS, "number of pods")),
        autoscale: fields.read("autoscale", autoscale::read),
        port: fields.read("port", values::port),
        env: fields.read("env", environment::read).unwrap_or_default(),
        health: fields.read("health", health::read).unwrap_or_default(),
        resources: fields.read("resources", resources::read).unwrap_or_default(),
        rollout: fields.read("rollout", read_rollout).unwrap_or_default(),
        grace_period: fields.read("gracePeriod", values::seconds),
        drain_delay: fields.read("drainDelay", values::seconds),
        node_selector: fields.read("nodeSelector", read_labels).unwrap_or_default(),
    };
    fields.finish();
    Some(process)
}

fn read_rollout(node: &Node, path: &str, problems: &mut Problems) -> Option<RollingUpdate> {
    let mut fields = Fields::open(node, path, problems);
    let rollout = RollingUpdate {
        max_surge: fields.read("maxSurge", pods_or_percentage),
        max_unavailable: fields.read("maxUnavailable", pods_or_percentage),
        settle: fields.read("settle", values::seconds),
    };
    fields.finish();
    let is_zero = |value: &Option<String>, default: &str| matches!(value.as_deref().unwrap_or(default), "0" | "0%");
    let fits = if is_zero(&rollout.max_surge, "1") && is_zero(&rollout.max_unavailable, "0") {
        Err("maxSurge and maxUnavailable are both 0: no pod could be replaced".to_owned())
    } else {
        Ok(rollout)
    };
    values::note(fits, node, path, problems)
}

fn pods_or_percentage(node: &Node, path: &str, problems: &mut Problems) -> Option<String> {
    let text = values::text(node, path, problems)?;
    let number = text.strip_suffix('%').unwrap_or(&text);
    let limit = if text.ends_with('%') { 100 } else { 1000 };
    let valid = number.parse::<u32>().is_ok_and(|number| number <= limit);
    let result =
        valid.then(|| text.clone()).ok_or_else(|| format!("{text:?} is neither a number of pods nor a percentage"));
    values::note(result, node, path, problems)
}

fn read_labels(node: &Node, path: &str, problems: &mut Problems) -> Option<std::collections::BTreeMap<String, String>> {
    names::read_map::<LabelKey, _>(node, path, problems, values::text)
        .map(|labels| labels.into_iter().map(|(LabelKey(key), value)| (key, value)).collect())
}

/// The key of a label. The API server checks it further.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct LabelKey(String);

impl TryFrom<String> for LabelKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        let valid = !text.is_empty() && text.len() <= 317 && text.chars().all(allowed);
        if valid { Ok(Self(text)) } else { Err(format!("{text:?} is not the key of a label")) }
    }
}
