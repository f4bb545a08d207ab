//! Environment variables: `NAME: value`, or as app.json has them, with an object in place of the value.

use std::collections::BTreeMap;

use super::super::node::{Node, Value};
use super::super::problem::Problems;
use super::fields::Fields;
use super::{names, values};
use crate::domain::app_spec::{EnvName, EnvValue};

pub(super) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<BTreeMap<EnvName, EnvValue>> {
    let variables: BTreeMap<EnvName, Option<EnvValue>> = names::read_map(node, path, problems, read_variable)?;
    Some(variables.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// `Some(None)` for a variable that is optional and has no value.
fn read_variable(node: &Node, path: &str, problems: &mut Problems) -> Option<Option<EnvValue>> {
    if is_plain_secret(node, path) {
        problems
            .warn(&node.origin, format!("{path} looks like a secret, and everyone with the repository can read it"));
    }
    match node.value {
        Value::Map(_) => read_object(node, path, problems),
        _ => values::parsed(node, path, problems).map(Some),
    }
}

/// Whether the name of a variable with a value says that the value is a secret.
fn is_plain_secret(node: &Node, path: &str) -> bool {
    const WORDS: [&str; 6] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "PRIVATE_KEY"];
    let name = path.rsplit('.').next().unwrap_or_default().to_uppercase();
    let value = node.as_text().or_else(|| node.get("value")?.as_text());
    value.is_some_and(|value| !value.is_empty()) && WORDS.iter().any(|word| name.ends_with(word))
}

fn read_object(node: &Node, path: &str, problems: &mut Problems) -> Option<Option<EnvValue>> {
    let mut fields = Fields::open(node, path, problems);
    let value = fields.read("value", values::parsed::<EnvValue>);
    // `value` wins over what is written in slipway.yaml only there; until an app has config, each deploy sets it anyway.
    let _ = (fields.read("description", values::text), fields.read("sync", values::boolean));
    let generator = fields.read("generator", values::text);
    let is_required = fields.read("required", values::boolean).unwrap_or(true);
    let unfit = match (&value, generator) {
        (None, Some(generator)) => {
            Some(format!("{path}: generator {generator:?} is not supported: set a value in slipway.yaml"))
        }
        (None, None) if is_required => {
            Some(format!("{path} is required and has no value: set it in slipway.yaml, under env"))
        }
        _ => None,
    };
    if let Some(message) = unfit {
        fields.problems().error(&node.origin, message);
    }
    fields.finish();
    Some(value)
}
