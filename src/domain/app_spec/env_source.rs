//! Where the value of an environment variable comes from.

use serde::Serialize;

use super::scalars::EnvValue;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EnvSource {
    Value(EnvValue),
    /// slipway generates the value at the first deploy, and keeps it.
    Generated {
        generator: Generator,
    },
    /// A key of an object in the app's namespace.
    Key {
        from: ObjectReference,
        key: String,
    },
}

/// The Secret with the generated values in an app's namespace. Recorded releases refer to it, so that the name can never
/// change.
pub const GENERATED_SECRET: &str = "slipway-generated";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Generator {
    Secret,
}

/// A Secret or a ConfigMap in the app's namespace. Its values are in no release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ObjectReference {
    Secret(String),
    ConfigMap(String),
}
