//! One process, as the templates see it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::super::error::ChartError;
use super::super::values::Values;
use super::environment::{EnvVar, environment};
use super::probes::{ProbeContext, Probes};
use crate::domain::app_spec::{Autoscale, Process, ProcessName, Resources};

/// Kubernetes' default of `terminationGracePeriodSeconds`.
const GRACE_PERIOD_SECONDS: u64 = 30;

#[derive(Serialize)]
pub(super) struct ProcessContext<'a> {
    name: &'a str,
    /// The name of the process's objects.
    object: String,
    arguments: Option<Vec<String>>,
    /// The number of pods in the files, as an annotation has it; none without one or with an autoscaler.
    replicas: Option<String>,
    /// The number for a new Deployment, likewise.
    initial_replicas: Option<String>,
    is_replicated: bool,
    autoscale: Option<&'a Autoscale>,
    port: Option<u16>,
    env: Vec<EnvVar<'a>>,
    resources: Resources,
    #[serde(flatten)]
    probes: Probes,
    settle_seconds: u64,
    max_surge: Value,
    max_unavailable: Value,
    grace_period_seconds: u64,
    pre_stop_seconds: u64,
    node_selector: Option<&'a BTreeMap<String, String>>,
}

impl<'a> ProcessContext<'a> {
    pub fn new(values: &'a Values, name: &'a ProcessName, process: &'a Process) -> Result<Self, ChartError> {
        let port = values.port_of(name, process);
        let times = &values.times;
        let pre_stop = process.drain_delay.map(u64::from);
        let pre_stop = pre_stop.unwrap_or(if port.is_some() { times.endpoint_delay.as_secs() } else { 0 });
        let rollout = &process.rollout;
        Ok(Self {
            name: name.as_str(),
            object: values.object_name(name),
            arguments: process.command.as_ref().map(|command| command.to_kubernetes()),
            replicas: process.replicas.filter(|_| process.autoscale.is_none()).map(|count| count.to_string()),
            initial_replicas: initial_replicas(name, process).map(|count| count.to_string()),
            is_replicated: process.replicas.is_some_and(|count| count > 1) || process.autoscale.is_some(),
            autoscale: process.autoscale.as_ref(),
            port,
            env: environment(values, name.as_str(), port, Some(&process.env)),
            resources: process.resources.with_defaults(values.limited_resources),
            probes: ProbeContext::of_process(values, name, process, port)?,
            settle_seconds: rollout.settle.map_or(times.settle_time.as_secs(), u64::from),
            max_surge: number_or_percentage(rollout.max_surge.as_deref().unwrap_or("1")),
            max_unavailable: number_or_percentage(rollout.max_unavailable.as_deref().unwrap_or("0")),
            grace_period_seconds: process.grace_period.map_or(GRACE_PERIOD_SECONDS, u64::from) + pre_stop,
            pre_stop_seconds: pre_stop,
            node_selector: Some(&process.node_selector).filter(|labels| !labels.is_empty()),
        })
    }

    pub fn settle_seconds(&self) -> u64 {
        self.settle_seconds
    }
}

/// An autoscaler begins with its smallest number. Otherwise only `web` runs without being asked for.
fn initial_replicas(name: &ProcessName, process: &Process) -> Option<u32> {
    match &process.autoscale {
        Some(autoscale) => Some(autoscale.min),
        None => (process.replicas.is_none() && !name.is_web()).then_some(0),
    }
}

/// Kubernetes tells a number from a percentage by its type.
fn number_or_percentage(text: &str) -> Value {
    text.parse::<u32>().map_or_else(|_| Value::from(text), Value::from)
}
