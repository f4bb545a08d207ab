//! The environment of a container.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::super::values::Values;
use crate::domain::app_spec::{EnvName, EnvSource, GENERATED_SECRET, ObjectReference};

/// An entry of a container's `env`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnvVar<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_from: Option<Value>,
}

/// The variables that slipway sets, then the app's, then those of the process.
pub(super) fn environment<'a>(
    values: &'a Values,
    process: &str,
    port: Option<u16>,
    own: Option<&'a BTreeMap<EnvName, EnvSource>>,
) -> Vec<EnvVar<'a>> {
    let slipways = [
        ("PORT", port.map(|port| port.to_string())),
        ("GIT_REV", values.commit.as_ref().map(ToString::to_string)),
        ("SLIPWAY_APP", Some(values.app.to_string())),
        ("SLIPWAY_PROCESS", Some(process.to_owned())),
        ("SLIPWAY_REVISION", values.revision.map(|revision| revision.to_string())),
    ];
    let slipways = slipways.into_iter().filter(|(_, value)| value.is_some());
    let slipways = slipways.map(|(name, value)| EnvVar { name, value, value_from: None });
    let common = values.spec.env.iter().filter(|(name, _)| own.is_none_or(|own| !own.contains_key(*name)));
    slipways.chain(common.chain(own.into_iter().flatten()).map(to_variable)).collect()
}

fn to_variable<'a>((name, source): (&'a EnvName, &'a EnvSource)) -> EnvVar<'a> {
    let (value, value_from) = match source {
        EnvSource::Value(value) => (Some(value.escape_for_kubernetes()), None),
        EnvSource::Generated { .. } => {
            (None, Some(json!({"secretKeyRef": {"name": GENERATED_SECRET, "key": name.as_str()}})))
        }
        EnvSource::Key { from: ObjectReference::Secret(secret), key } => {
            (None, Some(json!({"secretKeyRef": {"name": secret, "key": key}})))
        }
        EnvSource::Key { from: ObjectReference::ConfigMap(config_map), key } => {
            (None, Some(json!({"configMapKeyRef": {"name": config_map, "key": key}})))
        }
    };
    EnvVar { name: name.as_str(), value, value_from }
}

/// The entries of a container's `envFrom`.
pub(super) fn env_from(values: &Values) -> Vec<Value> {
    let entry = |object: &ObjectReference| match object {
        ObjectReference::Secret(name) => json!({"secretRef": {"name": name}}),
        ObjectReference::ConfigMap(name) => json!({"configMapRef": {"name": name}}),
    };
    values.spec.env_from.iter().map(entry).collect()
}
