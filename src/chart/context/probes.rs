//! The probes of a container.

use std::num::NonZeroU16;

use serde::Serialize;
use serde_json::Value;

use super::super::error::ChartError;
use super::super::values::Values;
use crate::domain::KubeVersion;
use crate::domain::app_spec::{Probe, ProbeAction, Process, ProcessName, escape_for_kubernetes};

/// The name of the container port of a process.
const PORT_NAME: &str = "http";
const TIMEOUT_SECONDS: u32 = 5;

/// The probes that a container has.
#[derive(Serialize)]
pub(super) struct Probes {
    startup: Option<ProbeContext>,
    readiness: Option<ProbeContext>,
    liveness: Option<ProbeContext>,
}

/// One probe. Exactly one of the first fields is set.
#[derive(Serialize)]
pub(super) struct ProbeContext {
    http_path: Option<String>,
    command: Option<Vec<String>>,
    is_tcp: bool,
    /// The number of gRPC's port: that check takes no name.
    grpc_port: Option<u16>,
    /// The number or the name of the port.
    port: Value,
    initial_delay_seconds: u32,
    period_seconds: u32,
    timeout_seconds: u32,
    failure_threshold: u32,
}

/// The times of a probe that the app leaves open.
struct Defaults {
    period: u32,
    failures: u32,
}

impl ProbeContext {
    /// Ready within one second of listening; the other two watch a container that has started.
    pub fn of_process(
        values: &Values,
        name: &ProcessName,
        process: &Process,
        port: Option<u16>,
    ) -> Result<Probes, ChartError> {
        let health = &process.health;
        let default = health.action.clone().or_else(|| port.map(|_| ProbeAction::Tcp { port: None }));
        let probe = |probe: &Probe, defaults: Defaults| {
            let action = probe.action.as_ref().or(default.as_ref());
            Self::new(probe, action, port, values.kube_version, &defaults)
                .map_err(|reason| ChartError::InvalidValue(format!("processes.{name}.health: {reason}")))
        };
        let rollout = u32::try_from(values.times.rollout_timeout.as_secs().max(1)).unwrap_or(u32::MAX);
        let startup_failures = rollout / health.startup.period.unwrap_or(1).max(1);
        Ok(Probes {
            startup: probe(&health.startup, Defaults { period: 1, failures: startup_failures.max(1) })?,
            readiness: probe(
                &health.readiness,
                Defaults { period: readiness_period(values.kube_version), failures: 3 },
            )?,
            liveness: probe(&health.liveness, Defaults { period: 10, failures: 6 })?,
        })
    }

    fn new(
        probe: &Probe,
        action: Option<&ProbeAction>,
        port: Option<u16>,
        kube_version: KubeVersion,
        defaults: &Defaults,
    ) -> Result<Option<Self>, String> {
        let mut context = Self {
            http_path: None,
            command: None,
            is_tcp: false,
            grpc_port: None,
            port: Value::Null,
            initial_delay_seconds: probe.initial_delay.unwrap_or_default(),
            period_seconds: probe.period.unwrap_or(defaults.period),
            timeout_seconds: probe.timeout.unwrap_or(TIMEOUT_SECONDS),
            failure_threshold: probe.failures.unwrap_or(defaults.failures),
        };
        match action {
            None | Some(ProbeAction::None) => return Ok(None),
            Some(ProbeAction::Exec { command }) => {
                context.command = Some(command.iter().map(|word| escape_for_kubernetes(word)).collect())
            }
            Some(ProbeAction::Http { path, port: own }) => {
                context.http_path = Some(path.as_str().to_owned());
                context.port = port_value(*own, port)?;
            }
            Some(ProbeAction::Tcp { port: own }) => {
                context.is_tcp = true;
                context.port = port_value(*own, port)?;
            }
            Some(ProbeAction::Grpc { port: own }) => {
                let own = own.map(NonZeroU16::get).or(port);
                context.grpc_port = Some(own.ok_or("the process has no port for a check of type grpc")?);
                if !kube_version.has_grpc_probes() {
                    return Err(format!("checks of type grpc need Kubernetes 1.24, and the server has {kube_version}"));
                }
            }
        }
        Ok(Some(context))
    }
}

/// The number that the check states, else the name of the process's own port.
fn port_value(stated: Option<NonZeroU16>, port: Option<u16>) -> Result<Value, String> {
    match (stated, port) {
        (Some(stated), _) => Ok(Value::from(stated.get())),
        (None, Some(_)) => Ok(Value::from(PORT_NAME)),
        (None, None) => Err("the process has no port: set `port`, or the port of the check".to_owned()),
    }
}

/// A longer period makes fewer requests to an app that is ready. Where the first probe waits for the period, a longer one
/// would delay every rollout.
fn readiness_period(version: KubeVersion) -> u32 {
    if version.probes_readiness_after_startup() { 5 } else { 1 }
}
