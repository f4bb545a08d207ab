//! What differs between the objects of two manifests, for people to read. Pure.
//!
//! The values of Secrets are never shown, only that one has changed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use similar::TextDiff;

use super::error::ReleaseError;
use super::plan::{self, ObjectId};
use crate::domain::Manifest;

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;

/// A unified diff of the objects, which are matched by group, kind and name and come in the order in which they are
/// applied. `names` are those of the two sides.
///
/// # Errors
/// [`ReleaseError::Unprintable`] if an object cannot be written as YAML.
pub(super) fn unified(old: &[Manifest], new: &[Manifest], names: (&str, &str)) -> Result<String, ReleaseError> {
    let by_id = |manifests: &'_ [Manifest]| -> BTreeMap<ObjectId, Value> {
        manifests.iter().map(|manifest| (ObjectId::of(manifest), manifest.object.clone())).collect()
    };
    let (mut before, mut after) = (by_id(old), by_id(new));
    let all: Vec<Manifest> = new.iter().chain(plan::difference(old, new)).cloned().collect();
    let mut text = String::new();
    for manifest in plan::apply_order(&all) {
        let id = ObjectId::of(manifest);
        let (mut one, mut other) = (before.remove(&id), after.remove(&id));
        hide(one.as_mut(), other.as_mut());
        let text_of = |side: Option<Value>| side.as_ref().map(yaml).transpose().map(Option::unwrap_or_default);
        let (one, other) = (text_of(one)?, text_of(other)?);
        let (from, to) = (format!("{id} ({})", names.0), format!("{id} ({})", names.1));
        let diff = TextDiff::from_lines(&one, &other);
        text.push_str(&diff.unified_diff().context_radius(CONTEXT).header(&from, &to).to_string());
    }
    Ok(text)
}

/// The object, with nothing in it that must not be shown.
pub(super) fn hidden(object: &Value) -> Value {
    let mut object = object.clone();
    hide(Some(&mut object), None);
    object
}

/// Replaces what the two sides of a Secret hold. Equal values get equal words.
fn hide(mut old: Option<&mut Value>, mut new: Option<&mut Value>) {
    for section in ["data", "stringData"] {
        let before = values(&mut old, section).cloned().unwrap_or_default();
        let after = values(&mut new, section).cloned().unwrap_or_default();
        cover(values(&mut old, section), &after, "(hidden, before)");
        cover(values(&mut new, section), &before, "(hidden, after)");
    }
}

/// Replaces `values`; those that are other on the other side get the word `changed`.
fn cover(values: Option<&mut Map<String, Value>>, other: &Map<String, Value>, changed: &str) {
    for (key, value) in values.into_iter().flatten() {
        let word = if other.get(key).is_some_and(|other| other != value) { changed } else { "(hidden)" };
        *value = Value::from(word);
    }
}

/// A section of a Secret.
fn values<'a>(object: &'a mut Option<&mut Value>, section: &str) -> Option<&'a mut Map<String, Value>> {
    let object = object.as_deref_mut()?;
    if object.get("kind").and_then(Value::as_str) != Some("Secret") {
        return None;
    }
    object.get_mut(section)?.as_object_mut()
}

/// An object as YAML. Nothing is folded: a text that moves to another line would look as if it had changed.
///
/// # Errors
/// [`ReleaseError::Unprintable`]
pub(super) fn yaml(object: &Value) -> Result<String, ReleaseError> {
    let options = serde_yaml::ser_options! { prefer_block_scalars: false };
    serde_yaml::to_string_with_options(object, options).map_err(|error| ReleaseError::Unprintable(Box::new(error)))
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
    fn what_changed_is_shown_with_what_stands_around_it() {
        let old = [
            manifest("Service", "a", json!({"spec": {"port": 80}})),
            manifest("ConfigMap", "gone", json!({"data": {"a": "1"}})),
            manifest("ConfigMap", "same", json!({"data": {"a": "1"}})),
        ];
        let new = [
            manifest("ConfigMap", "same", json!({"data": {"a": "1"}})),
            manifest("Service", "a", json!({"spec": {"port": 81}})),
            manifest("ConfigMap", "new", json!({"data": {"b": "2"}})),
        ];
        insta::assert_snapshot!(unified(&old, &new, ("v1", "v2")).unwrap());
        assert_eq!(unified(&new, &new, ("v2", "v3")).unwrap(), "");
    }

    #[test]
    fn of_a_secret_only_that_it_changed_is_shown() {
        let old = [secret(json!({"same": "YWJj", "changed": "b2xk", "gone": "Z29uZQ=="}))];
        let new = [secret(json!({"same": "YWJj", "changed": "bmV3", "made": "bWFkZQ=="}))];
        let text = unified(&old, &new, ("v1", "v2")).unwrap();
        for line in
            ["-  changed: (hidden, before)", "+  changed: (hidden, after)", "-  gone: (hidden)", "+  made: (hidden)"]
        {
            assert!(text.contains(line), "{line}\n{text}");
        }
        for value in ["YWJj", "b2xk", "bmV3", "Z29uZQ", "bWFkZQ"] {
            assert!(!text.contains(value), "{value}\n{text}");
        }
        assert!(!text.contains("+  same"), "{text}");
    }

    #[test]
    fn a_value_that_looks_hidden_is_hidden_as_well() {
        let secret = secret(json!({"a": "(hidden, but not really)"}));
        assert_eq!(hidden(&secret.object)["data"]["a"], "(hidden)");
        let text = unified(&[], &[secret], ("v1", "v2")).unwrap();
        assert!(text.contains("a: (hidden)\n"), "{text}");
    }
}
