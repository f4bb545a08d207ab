//! Where the value of an environment variable comes from.

use serde::Serialize;

use super::scalars::EnvValue;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EnvSource {
    Value(EnvValue),
    /// A key of an object in the app's namespace.
    Key {
        from: ObjectReference,
        key: String,
    },
}

/// A Secret or a ConfigMap in the app's namespace. Its values are in no release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ObjectReference {
    Secret(String),
    ConfigMap(String),
}
