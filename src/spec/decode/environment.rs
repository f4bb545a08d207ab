//! Environment variables: `NAME: value`, or an object in place of the value, which names a key of a Secret or a ConfigMap or
//! is that of app.json.

use std::collections::BTreeMap;

use super::super::node::{Node, Value};
use super::super::problem::Problems;
use super::fields::Fields;
use super::{names, values};
use crate::domain::app_spec::{EnvName, EnvSource, EnvValue, Generator, ObjectReference};

pub(super) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<BTreeMap<EnvName, EnvSource>> {
    let variables: BTreeMap<EnvName, Option<EnvSource>> = names::read_map(node, path, problems, read_variable)?;
    Some(variables.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// `Some(None)` for a variable that is optional and has no value.
fn read_variable(node: &Node, path: &str, problems: &mut Problems) -> Option<Option<EnvSource>> {
    if is_plain_secret(node, path) {
        let message = format!(
            "{path} looks like a secret, and everyone with the repository can read it: name a Secret instead, as in \
             {{secret: NAME, key: KEY}}"
        );
        problems.warn(&node.origin, message);
    }
    match node.value {
        Value::Map(_) if node.get("secret").or_else(|| node.get("configMap")).is_some() => {
            read_key(node, path, problems).map(Some)
        }
        Value::Map(_) => read_object(node, path, problems),
        _ => values::parsed(node, path, problems).map(|value| Some(EnvSource::Value(value))),
    }
}

/// Whether the name of a variable with a value says that the value is a secret.
fn is_plain_secret(node: &Node, path: &str) -> bool {
    const WORDS: [&str; 6] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "PRIVATE_KEY"];
    let name = path.rsplit('.').next().unwrap_or_default().to_uppercase();
    let value = node.as_text().or_else(|| node.get("value")?.as_text());
    value.is_some_and(|value| !value.is_empty()) && WORDS.iter().any(|word| name.ends_with(word))
}

/// A variable of app.json.
fn read_object(node: &Node, path: &str, problems: &mut Problems) -> Option<Option<EnvSource>> {
    let mut fields = Fields::open(node, path, problems);
    let value = fields.read("value", values::parsed::<EnvValue>);
    // `sync` asks for the value at each deploy, which slipway gives every value of a file.
    let _ = (fields.read("description", values::text), fields.read("sync", values::boolean));
    let generator = fields.read("generator", read_generator);
    let is_required = fields.read("required", values::boolean).unwrap_or(true);
    let is_stated = fields.get("value").or_else(|| fields.get("generator")).is_some();
    if is_required && !is_stated {
        let message = format!("{path} is required and has no value: set it in slipway.yaml, under env");
        fields.problems().error(&node.origin, message);
    }
    fields.finish();
    Some(value.map(EnvSource::Value).or_else(|| generator.map(|generator| EnvSource::Generated { generator })))
}

fn read_generator(node: &Node, path: &str, problems: &mut Problems) -> Option<Generator> {
    let text = values::text(node, path, problems)?;
    let generator =
        if text == "secret" { Ok(Generator::Secret) } else { Err(format!("{text:?} is no generator: secret")) };
    values::note(generator, node, path, problems)
}

fn read_key(node: &Node, path: &str, problems: &mut Problems) -> Option<EnvSource> {
    let mut fields = Fields::open(node, path, problems);
    let from = read_reference(&mut fields, node, path);
    let key = fields.read("key", values::text);
    if fields.get("key").is_none() {
        fields.problems().error(&node.origin, format!("{path} has no key"));
    }
    fields.finish();
    Some(EnvSource::Key { from: from?, key: key? })
}

/// A list of Secrets and ConfigMaps.
pub(super) fn read_objects(node: &Node, path: &str, problems: &mut Problems) -> Option<Vec<ObjectReference>> {
    let Value::List(items) = &node.value else {
        problems.error(&node.origin, format!("{path} has to be a list, and is {}", node.describe()));
        return None;
    };
    let read = items.iter().map(|item| {
        let mut fields = Fields::open(item, path, problems);
        let reference = read_reference(&mut fields, item, path);
        fields.finish();
        reference
    });
    read.collect()
}

/// Exactly one of `secret` and `configMap`.
fn read_reference(fields: &mut Fields<'_, '_>, node: &Node, path: &str) -> Option<ObjectReference> {
    let secret = fields.read("secret", values::parsed::<ObjectName>);
    let config_map = fields.read("configMap", values::parsed::<ObjectName>);
    match (secret, config_map) {
        (Some(secret), None) => Some(ObjectReference::Secret(secret.0)),
        (None, Some(config_map)) => Some(ObjectReference::ConfigMap(config_map.0)),
        _ => {
            fields
                .problems()
                .error(&node.origin, format!("{path} names one Secret (secret) or one ConfigMap (configMap)"));
            None
        }
    }
}

/// Objects that slipway keeps in the namespaces of apps, such as the credentials of the registry, and Helm's records.
const OWN_OBJECTS: [&str; 2] = ["slipway-", "sh.helm.release."];

/// The name of a Kubernetes object: an RFC 1123 subdomain.
struct ObjectName(String);

impl TryFrom<String> for ObjectName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let valid = text.len() <= 253 && text.starts_with(edge) && text.ends_with(edge) && text.chars().all(allowed);
        if OWN_OBJECTS.iter().any(|prefix| text.starts_with(prefix)) {
            return Err(format!("{text} is for slipway itself: an app cannot read it"));
        }
        if valid { Ok(Self(text)) } else { Err(format!("{text:?} is not the name of a Kubernetes object")) }
    }
}
