//! How an app's image is built.

use std::collections::BTreeMap;

use serde::Serialize;

/// The inputs of the build that differ from a Dockerfile at the root of the repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BuildSpec {
    /// The path of the Dockerfile in the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// The directory that the build gets, without slashes at its ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The stage that is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    /// Such as `linux/arm64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

impl BuildSpec {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
