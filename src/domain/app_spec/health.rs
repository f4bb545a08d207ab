//! How a container shows that it serves.

use std::num::NonZeroU16;

use serde::Serialize;

use super::scalars::HealthPath;

/// The probes of a process. `action` is the check of the probes that have none of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub action: Option<ProbeAction>,
    #[serde(skip_serializing_if = "Probe::is_default")]
    pub startup: Probe,
    #[serde(skip_serializing_if = "Probe::is_default")]
    pub readiness: Probe,
    #[serde(skip_serializing_if = "Probe::is_default")]
    pub liveness: Probe,
}

impl Health {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The check of a probe. Without a port, it uses the port of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ProbeAction {
    /// A GET that is answered with 200 to 399.
    Http {
        path: HealthPath,
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<NonZeroU16>,
    },
    /// A connection.
    Tcp {
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<NonZeroU16>,
    },
    /// A program in the container that ends with 0.
    Exec { command: Vec<String> },
    /// gRPC's health checking protocol.
    Grpc {
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<NonZeroU16>,
    },
    /// No check.
    None,
}

/// One probe, with the kubelet's times in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub action: Option<ProbeAction>,
    /// How long after the start of the container the first check comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<u32>,
    /// How much time is between two checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// How many failures in a row decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
}

impl Probe {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
