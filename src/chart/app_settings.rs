//! The settings of an app, which a values file contains.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::error::ChartError;
use super::validated::{EnvName, EnvValue, HealthPath, Quantity};
use crate::domain::LimitedResources;

/// The most bytes of a values file.
const MAX_FILE_SIZE: usize = 1 << 20;

/// The schema of `slipway render --values FILE`.
///
/// ```yaml
/// port: 3000              # default: the image's EXPOSE, or 8080
/// env:                    # the container gets each value unchanged
///   LOG_LEVEL: debug
/// health:
///   path: /healthz        # ready when GET answers 200 to 399; default: ready when the port accepts connections
///   startup: 60           # seconds until a starting app has to be ready; default: as long as a rollout may take
/// resources:
///   requests: { cpu: 50m, memory: 64Mi }
///   limits: { memory: 512Mi }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppSettings {
    #[serde(deserialize_with = "port", skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<NonZeroU16>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) env: BTreeMap<EnvName, EnvValue>,
    pub(super) health: HealthCheck,
    #[serde(deserialize_with = "resources")]
    pub(super) resources: Resources,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HealthCheck {
    /// The path that answers 200 to 399. Without a path, the port has to accept connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<HealthPath>,
    /// The seconds during which a starting app may fail the check.
    #[serde(deserialize_with = "startup_seconds", skip_serializing_if = "Option::is_none")]
    pub(super) startup: Option<u32>,
}

fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU16>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|_| D::Error::custom(format!("{text:?} is not a port (1 to 65535)")))
}

fn startup_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let seconds = text.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
    seconds.map(Some).ok_or_else(|| D::Error::custom(format!("{text:?} is not a number of seconds (1 to 3600)")))
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Resources {
    pub(super) requests: ResourceQuantities,
    pub(super) limits: ResourceQuantities,
}

fn resources<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Resources, D::Error> {
    let resources = Resources::deserialize(deserializer)?;
    resources.check_requests().map_err(D::Error::custom)?;
    Ok(resources)
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ResourceQuantities {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory: Option<Quantity>,
}

impl AppSettings {
    /// # Errors
    /// [`ChartError::InvalidValuesFile`] names the line and the field.
    pub(super) fn from_yaml(text: &str) -> Result<Self, ChartError> {
        if text.len() > MAX_FILE_SIZE {
            return Err(ChartError::ValuesFileTooLarge { limit: MAX_FILE_SIZE });
        }
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Self::default());
        }
        super::yaml::read_values_file(text).map_err(|message| ChartError::InvalidValuesFile { message })
    }
}

impl Resources {
    /// Adds requests for the scheduler, and a limit of memory, so that a memory leak affects only its own app. There is no
    /// default limit of CPU: it would throttle an app while the node is idle. The defaults of the namespace's LimitRanges take
    /// precedence.
    pub(super) fn with_defaults(&self, limited: LimitedResources) -> Self {
        let mut resources = self.clone();
        let (requests, limits) = (&mut resources.requests, &mut resources.limits);
        if !limited.cpu {
            requests.cpu = or_default(requests.cpu.take(), limits.cpu.as_ref(), Quantity::millicpus(50));
        }
        if !limited.memory {
            requests.memory = or_default(requests.memory.take(), limits.memory.as_ref(), Quantity::mebibytes(64));
            let limit = || requests.memory.clone().map(|request| request.max(Quantity::mebibytes(512)));
            limits.memory = limits.memory.take().or_else(limit);
        }
        resources
    }

    /// The API server refuses a request above its limit.
    fn check_requests(&self) -> Result<(), String> {
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

/// The requested amount, else the default, or the limit if that is lower.
fn or_default(requested: Option<Quantity>, limit: Option<&Quantity>, default: Quantity) -> Option<Quantity> {
    requested.or_else(|| limit.filter(|limit| default.exceeds(limit)).cloned().or(Some(default)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reading_any_text_ends(text in "(---|[ -~\n]){0,300}") {
            let _ = AppSettings::from_yaml(&text);
        }
    }

    fn error(text: &str) -> String {
        AppSettings::from_yaml(text).unwrap_err().to_string()
    }

    #[test]
    fn every_setting_of_a_values_file_is_read() {
        let text = "port: 3000\nenv:\n  A: 5\n  B: yes\n  C: ''\nhealth: {path: /up}\n";
        let settings = AppSettings::from_yaml(text).unwrap();
        assert_eq!(settings.port.map(NonZeroU16::get), Some(3000));
        let env: Vec<_> =
            settings.env.iter().map(|(name, value)| (name.as_str(), value.escape_for_kubernetes())).collect();
        assert_eq!(env, [("A", "5".to_owned()), ("B", "yes".to_owned()), ("C", String::new())]);
        assert_eq!(settings.health.startup, None);
        assert_eq!(AppSettings::from_yaml("# nothing\n\n").unwrap(), AppSettings::default());
    }

    #[test]
    fn errors_name_the_line_and_the_field() {
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
    fn the_size_and_the_aliases_of_a_values_file_are_limited() {
        assert!(matches!(
            AppSettings::from_yaml(&"#".repeat(MAX_FILE_SIZE + 1)),
            Err(ChartError::ValuesFileTooLarge { .. })
        ));
        let mut bomb = "env:\n  A0: &a0 [x]\n".to_owned();
        for n in 1..30 {
            bomb += &format!("  A{n}: &a{n} [*a{m}, *a{m}]\n", m = n - 1);
        }
        assert!(AppSettings::from_yaml(&bomb).is_err());
    }

    fn resources_of(text: &str, limited: LimitedResources) -> [String; 4] {
        let Resources { requests, limits } = AppSettings::from_yaml(text).unwrap().resources.with_defaults(limited);
        [requests.cpu, requests.memory, limits.cpu, limits.memory].map(|q| q.map(String::from).unwrap_or_default())
    }

    #[test]
    fn default_resources_give_way_to_the_limit_ranges_of_the_namespace() {
        let cpu = LimitedResources { cpu: true, memory: false };
        assert_eq!(resources_of("", cpu), ["", "64Mi", "", "512Mi"]);
        assert_eq!(resources_of("resources: {requests: {cpu: 10m}}", cpu), ["10m", "64Mi", "", "512Mi"]);
        let memory = LimitedResources { cpu: false, memory: true };
        assert_eq!(resources_of("resources: {limits: {memory: 32Mi}}", memory), ["50m", "", "", "32Mi"]);
    }

    #[test]
    fn default_resources_fit_those_that_are_set() {
        let with_defaults = |text: &str| resources_of(text, LimitedResources::default());
        assert_eq!(with_defaults(""), ["50m", "64Mi", "", "512Mi"]);
        assert_eq!(with_defaults("resources: {requests: {memory: 1Gi}}"), ["50m", "1Gi", "", "1Gi"]);
        assert_eq!(with_defaults("resources: {limits: {memory: 32Mi, cpu: 10m}}"), ["10m", "32Mi", "10m", "32Mi"]);
    }
}
