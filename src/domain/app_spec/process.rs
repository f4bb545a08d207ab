//! A process: one command of an app, in any number of pods.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use serde::Serialize;

use super::autoscale::Autoscale;
use super::command::Command;
use super::env_source::EnvSource;
use super::health::Health;
use super::resources::Resources;
use super::scalars::EnvName;

const WEB: &str = "web";

/// The name of a process: an RFC 1123 label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ProcessName(String);

impl ProcessName {
    /// The process that gets the Service.
    pub fn web() -> Self {
        Self(WEB.to_owned())
    }

    pub fn is_web(&self) -> bool {
        self.0 == WEB
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ProcessName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ProcessName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        check_label(&text).map(|()| Self(text))
    }
}

/// RFC 1123, with at most 40 characters: the name becomes a part of other names.
pub(super) fn check_label(text: &str) -> Result<(), String> {
    const MAX_LEN: usize = 40;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let valid = text.len() <= MAX_LEN && text.chars().all(allowed) && text.starts_with(edge) && text.ends_with(edge);
    valid.then_some(()).ok_or_else(|| {
        format!(
            "invalid name {text:?}: use lower-case letters, digits and '-', with a letter or digit at both ends, at most \
             {MAX_LEN} characters"
        )
    })
}

/// The settings of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Without a command, the process runs that of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// The number of pods with which the process begins; a later change of the number scales it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscale: Option<Autoscale>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<NonZeroU16>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<EnvName, EnvSource>,
    #[serde(skip_serializing_if = "Health::is_default")]
    pub health: Health,
    #[serde(skip_serializing_if = "Resources::is_default")]
    pub resources: Resources,
    #[serde(skip_serializing_if = "RollingUpdate::is_default")]
    pub rollout: RollingUpdate,
    /// How many seconds a stopping pod may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_period: Option<u32>,
    /// How many seconds a stopping pod goes on serving before it is told to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_delay: Option<u32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
}

/// How the pods of a process are replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdate {
    /// A number of pods, or a percentage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<String>,
    /// How many seconds a new pod has to stay ready before it replaces an old one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<u32>,
}

impl RollingUpdate {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
