//! What a user may set, in a values file.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::error::ChartError;
use super::fields::{EnvName, EnvValue, HealthPath, Quantity};

/// The most that is read of a values file.
const MAX_FILE: usize = 1 << 20;
/// How long an app may take to listen, in seconds, where the user sets nothing.
const DEFAULT_STARTUP: u32 = 60;

/// What a user may set: the schema of `slipway render --values FILE`.
///
/// ```yaml
/// port: 3000              # else the image's EXPOSE, else 8080
/// env:                    # the container sees each value exactly as it stands here
///   LOG_LEVEL: debug
/// health:
///   path: /healthz        # ready when this answers 200 to 399; else when the port accepts connections
///   startup: 60           # seconds the app may take to get there
/// resources:
///   requests: { cpu: 50m, memory: 64Mi }
///   limits: { memory: 512Mi }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The port that the app listens on.
    #[serde(deserialize_with = "port", skip_serializing_if = "Option::is_none")]
    pub port: Option<NonZeroU16>,
    /// Environment variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<EnvName, EnvValue>,
    /// How one can tell that the app works.
    pub health: Health,
    /// What a pod gets.
    #[serde(deserialize_with = "checked_resources")]
    pub resources: Resources,
}

/// How one can tell that the app works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// The path that answers 200 to 399; without it, a port that accepts connections is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<HealthPath>,
    /// For how many seconds a starting app may fail the check.
    #[serde(deserialize_with = "startup_seconds")]
    pub startup: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self { path: None, startup: DEFAULT_STARTUP }
    }
}

fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU16>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|_| D::Error::custom(format!("{text:?} is not a port (1 to 65535)")))
}

fn startup_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    let seconds = text.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
    seconds.ok_or_else(|| D::Error::custom(format!("{text:?} is not a number of seconds (1 to 3600)")))
}

/// What a pod gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// What the scheduler sets aside.
    pub requests: Wanted,
    /// What it may never exceed.
    pub limits: Wanted,
}

fn checked_resources<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Resources, D::Error> {
    let resources = Resources::deserialize(deserializer)?;
    resources.checked().map_err(D::Error::custom)?;
    Ok(resources)
}

/// An amount of each resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wanted {
    /// Processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
}

impl Settings {
    /// Reads a values file.
    ///
    /// # Errors
    /// [`ChartError::ValuesFile`] names line and field.
    pub fn from_yaml(text: &str) -> Result<Self, ChartError> {
        if text.len() > MAX_FILE {
            return Err(ChartError::ValuesFileSize { limit: MAX_FILE });
        }
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Self::default());
        }
        super::yaml::read_settings(text).map_err(|message| ChartError::ValuesFile { message })
    }
}

impl Resources {
    /// These, and a default for each that is not set: enough to schedule sensibly, and a bound on
    /// memory, so that a leak ends in the app that has it. No bound on processor time: a throttled
    /// app is slow while the machine idles.
    pub(super) fn filled(&self) -> Self {
        let mut filled = self.clone();
        let (requests, limits) = (&mut filled.requests, &mut filled.limits);
        requests.cpu = within(requests.cpu.take(), limits.cpu.as_ref(), Quantity::millis(50));
        requests.memory = within(requests.memory.take(), limits.memory.as_ref(), Quantity::mebibytes(64));
        if limits.memory.is_none() {
            limits.memory = requests.memory.clone().map(|request| request.max(Quantity::mebibytes(512)));
        }
        filled
    }

    /// No API server accepts a request above its limit.
    fn checked(&self) -> Result<(), String> {
        let Self { requests, limits } = self;
        let pairs = [("cpu", &requests.cpu, &limits.cpu), ("memory", &requests.memory, &limits.memory)];
        for (name, request, limit) in pairs {
            if let (Some(request), Some(limit)) = (request, limit)
                && request.exceeds(limit)
            {
                return Err(format!("requests.{name} ({request}) is above limits.{name} ({limit})"));
            }
        }
        Ok(())
    }
}

/// What was asked for; else the default, or the limit where that is lower.
fn within(asked: Option<Quantity>, limit: Option<&Quantity>, default: Quantity) -> Option<Quantity> {
    asked.or_else(|| limit.filter(|limit| default.exceeds(limit)).cloned().or(Some(default)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Settings::from_yaml(text).unwrap_err().to_string()
    }

    #[test]
    fn a_values_file_is_read() {
        let text = "port: 3000\nenv:\n  A: 5\n  B: yes\n  C: ''\nhealth: {path: /up}\n";
        let settings = Settings::from_yaml(text).unwrap();
        assert_eq!(settings.port.map(NonZeroU16::get), Some(3000));
        let env: Vec<_> = settings.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(env, [("A", "5"), ("B", "yes"), ("C", "")]);
        assert_eq!(settings.health.startup, DEFAULT_STARTUP);
        assert_eq!(Settings::from_yaml("# nothing\n\n").unwrap(), Settings::default());
    }

    #[test]
    fn errors_name_line_and_field() {
        insta::assert_snapshot!(
            [
                "port: 3000\nprot: 1\n",
                "env:\n  A: x\n  1B: y\n",
                "env:\n  PORT: '5'\n",
                "env:\n  A: [1]\n",
                "health:\n  path: up\n",
                "health:\n  startup: 0\n",
                "port: 70000\n",
                "port: null\n",
                "resources:\n  limits:\n    memory: lots\n",
                "resources:\n  requests: {memory: 1Gi}\n  limits: {memory: 1Mi}\n",
                "port: 1\nport: 2\n",
                "env: {A: 1\n",
                "port: 1\n---\nport: 2\n",
                "- a\n",
            ]
            .map(error)
            .join("\n")
        );
    }

    #[test]
    fn a_values_file_is_bounded() {
        assert!(matches!(Settings::from_yaml(&"#".repeat(MAX_FILE + 1)), Err(ChartError::ValuesFileSize { .. })));
        let mut bomb = "env:\n  A0: &a0 [x]\n".to_owned();
        for n in 1..30 {
            bomb += &format!("  A{n}: &a{n} [*a{m}, *a{m}]\n", m = n - 1);
        }
        assert!(Settings::from_yaml(&bomb).is_err());
    }

    #[test]
    fn resources_that_are_not_set_have_defaults_that_fit_those_that_are() {
        let filled = |text: &str| {
            let Resources { requests, limits } = Settings::from_yaml(text).unwrap().resources.filled();
            [requests.cpu, requests.memory, limits.cpu, limits.memory].map(|q| q.map(String::from).unwrap_or_default())
        };
        assert_eq!(filled(""), ["50m", "64Mi", "", "512Mi"]);
        assert_eq!(filled("resources: {requests: {memory: 1Gi}}"), ["50m", "1Gi", "", "1Gi"]);
        assert_eq!(filled("resources: {limits: {memory: 32Mi, cpu: 10m}}"), ["10m", "32Mi", "10m", "32Mi"]);
    }
}
