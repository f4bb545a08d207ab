//! A readable diff between the objects of two manifests. Pure.
//!
//! The values of Secrets are masked: the diff shows only that a value changed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use similar::TextDiff;

use super::error::QueryError;
use super::object_id::ObjectId;
use super::ordering::apply_order;
use super::prune::difference;
use crate::domain::Manifest;

/// Unchanged lines shown around a change.
const CONTEXT_LINES: usize = 3;

/// A unified diff of the objects. They are matched by group, kind and name, and shown in install order; `names` label
/// the two sides.
///
/// # Errors
/// [`QueryError::SerializeObject`] if an object cannot be written as YAML.
pub(super) fn unified_diff(old: &[Manifest], new: &[Manifest], names: (&str, &str)) -> Result<String, QueryError> {
    let by_id = |manifests: &'_ [Manifest]| -> BTreeMap<ObjectId, Value> {
        manifests.iter().map(|manifest| (ObjectId::from_manifest(manifest), manifest.object.clone())).collect()
    };
    let (mut before, mut after) = (by_id(old), by_id(new));
    let all: Vec<Manifest> = new.iter().chain(difference(old, new)).cloned().collect();
    let mut text = String::new();
    for manifest in apply_order(&all) {
        let id = ObjectId::from_manifest(manifest);
        let (mut old, mut new) = (before.remove(&id), after.remove(&id));
        mask_secrets(old.as_mut(), new.as_mut());
        let yaml = |object: Option<Value>| object.as_ref().map(to_yaml).transpose().map(Option::unwrap_or_default);
        let (old, new) = (yaml(old)?, yaml(new)?);
        let (from, to) = (format!("{id} ({})", names.0), format!("{id} ({})", names.1));
        let diff = TextDiff::from_lines(&old, &new);
        text.push_str(&diff.unified_diff().context_radius(CONTEXT_LINES).header(&from, &to).to_string());
    }
    Ok(text)
}

/// The object, with the values masked if it is a Secret.
pub(super) fn masked(object: &Value) -> Value {
    let mut object = object.clone();
    mask_secrets(Some(&mut object), None);
    object
}

/// Masks the values on both sides of a Secret. Equal values get equal masks.
fn mask_secrets(mut old: Option<&mut Value>, mut new: Option<&mut Value>) {
    for section in ["data", "stringData"] {
        let before = secret_section(&mut old, section).cloned().unwrap_or_default();
        let after = secret_section(&mut new, section).cloned().unwrap_or_default();
        mask_values(secret_section(&mut old, section), &after, "(hidden, before)");
        mask_values(secret_section(&mut new, section), &before, "(hidden, after)");
    }
}

/// Masks `values`; those that differ on the `other` side get the mask `changed`.
fn mask_values(values: Option<&mut Map<String, Value>>, other: &Map<String, Value>, changed: &str) {
    for (key, value) in values.into_iter().flatten() {
        let mask = if other.get(key).is_some_and(|other| other != value) { changed } else { "(hidden)" };
        *value = Value::from(mask);
    }
}

/// `None` if the object is not a Secret, or has no such section.
fn secret_section<'a>(object: &'a mut Option<&mut Value>, section: &str) -> Option<&'a mut Map<String, Value>> {
    let object = object.as_deref_mut()?;
    if object.get("kind").and_then(Value::as_str) != Some("Secret") {
        return None;
    }
    object.get_mut(section)?.as_object_mut()
}

/// An object as YAML. Long lines are not folded: text that moves to another line would show as a change.
///
/// # Errors
/// [`QueryError::SerializeObject`]
pub(super) fn to_yaml(object: &Value) -> Result<String, QueryError> {
    let options = serde_yaml::ser_options! { prefer_block_scalars: false };
    serde_yaml::to_string_with_options(object, options).map_err(|error| QueryError::SerializeObject(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(kind: &str, name: &str, rest: Value) -> Manifest {
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
        object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        Manifest { source: String::new(), object }
    }

    fn secret(data: Value) -> Manifest {
        manifest("Secret", "config", json!({"data": data}))
    }

    #[test]
    fn a_change_is_shown_with_its_context() {
        let old = [
            manifest("Service", "a", json!({"spec": {"port": 80}})),
            manifest("ConfigMap", "removed", json!({"data": {"a": "1"}})),
            manifest("ConfigMap", "same", json!({"data": {"a": "1"}})),
        ];
        let new = [
            manifest("ConfigMap", "same", json!({"data": {"a": "1"}})),
            manifest("Service", "a", json!({"spec": {"port": 81}})),
            manifest("ConfigMap", "new", json!({"data": {"b": "2"}})),
        ];
        insta::assert_snapshot!(unified_diff(&old, &new, ("v1", "v2")).unwrap());
        assert_eq!(unified_diff(&new, &new, ("v2", "v3")).unwrap(), "");
    }

    #[test]
    fn a_secret_shows_that_a_value_changed_and_no_values() {
        let old = [secret(json!({"same": "YWJj", "changed": "b2xk", "removed": "Z29uZQ=="}))];
        let new = [secret(json!({"same": "YWJj", "changed": "bmV3", "added": "bWFkZQ=="}))];
        let text = unified_diff(&old, &new, ("v1", "v2")).unwrap();
        for line in [
            "-  changed: (hidden, before)",
            "+  changed: (hidden, after)",
            "-  removed: (hidden)",
            "+  added: (hidden)",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        for value in ["YWJj", "b2xk", "bmV3", "Z29uZQ", "bWFkZQ"] {
            assert!(!text.contains(value), "{value}\n{text}");
        }
        assert!(!text.contains("+  same"), "{text}");
    }

    #[test]
    fn a_value_that_looks_masked_is_masked_as_well() {
        let secret = secret(json!({"a": "(hidden, but not really)"}));
        assert_eq!(masked(&secret.object)["data"]["a"], "(hidden)");
        let text = unified_diff(&[], &[secret], ("v1", "v2")).unwrap();
        assert!(text.contains("a: (hidden)\n"), "{text}");
    }
}
