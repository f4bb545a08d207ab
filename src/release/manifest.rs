//! Reads the manifest of a release record as helm reads it. Pure.

use serde_json::{Map, Value};
use serde_yaml::options::{DuplicateKeyPolicy, Options};

use super::error::QueryError;
use crate::domain::{Manifest, Revision};

/// As helm reads YAML 1.1: the last of duplicate keys counts, and a leading zero makes a number octal (`mode: 0644`).
fn helms_options() -> Options {
    serde_yaml::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

/// Parses the objects of a recorded manifest, those of a `List` one by one. Their `source` stays empty: a record has it
/// in comments only.
///
/// # Errors
/// [`QueryError::UnreadableManifest`] if a document is not an object with API version, kind and name.
pub(super) fn parse_manifest(manifest: &str, revision: Revision) -> Result<Vec<Manifest>, QueryError> {
    let documents: Vec<Value> = serde_yaml::from_multiple_with_options(manifest, helms_options())
        .map_err(|error| QueryError::UnreadableManifest { revision, source: Box::new(error).into() })?;
    let objects = documents.into_iter().filter(|document| !document.is_null()).flat_map(items);
    let manifests: Vec<_> = objects.map(|object| Manifest { source: String::new(), object }).collect();
    let is_nameless = |m: &Manifest| m.api_version().is_empty() || m.kind().is_empty() || m.name().is_empty();
    if manifests.iter().any(is_nameless) {
        let source = "a document has no apiVersion, kind or name".into();
        return Err(QueryError::UnreadableManifest { revision, source });
    }
    Ok(manifests)
}

/// The objects of a `List` or of a typed list, such as `ConfigMapList`; otherwise the object itself.
fn items(mut object: Value) -> Vec<Value> {
    let text = |object: &Value, key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&object, "apiVersion"), text(&object, "kind"));
    let (Some(item_kind), Some(Value::Array(items))) = (kind.strip_suffix("List"), object.get_mut("items")) else {
        return vec![object];
    };
    // The objects of a typed list need not repeat its type.
    let typed = |mut item: Value| {
        if let Some(item) = item.as_object_mut().filter(|_| !item_kind.is_empty()) {
            set_default(item, "apiVersion", &api_version);
            set_default(item, "kind", item_kind);
        }
        item
    };
    std::mem::take(items).into_iter().map(typed).flat_map(self::items).collect()
}

fn set_default(object: &mut Map<String, Value>, key: &str, value: &str) {
    object.entry(key).or_insert_with(|| Value::from(value));
}

#[cfg(test)]
mod tests {
    use super::super::object_id::ObjectId;
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        let manifests = parse_manifest(text, Revision(1)).unwrap();
        manifests.iter().map(|m| ObjectId::from_manifest(m).to_string()).collect()
    }

    #[test]
    fn a_recorded_manifest_yields_its_objects() {
        let text = "---\n# Source: a/templates/x.yaml\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\n---\n\
                    # Source: a/templates/y.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: b\n---\n";
        assert_eq!(ids(text), ["service/a", "deployment/b"]);
        assert_eq!(parse_manifest("", Revision(1)).unwrap(), []);
        for broken in ["a: [", "- 1", "kind: Service", "---\nx: 1\n---\na: b: c"] {
            assert!(parse_manifest(broken, Revision(1)).is_err(), "{broken}");
        }
    }

    #[test]
    fn the_objects_of_a_list_are_read_one_by_one() {
        let text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: a}}\n\
                    - {apiVersion: v1, kind: ConfigMapList, items: [{metadata: {name: b}}]}\n\
                    ---\napiVersion: v1\nkind: List\nitems: []\n\
                    ---\napiVersion: example.com/v1\nkind: BlockList\nmetadata: {name: c}\n";
        assert_eq!(ids(text), ["service/a", "configmap/b", "blocklist/c"]);
    }

    #[test]
    fn scalars_and_duplicate_keys_are_read_as_helm_reads_them() {
        let text = "apiVersion: v1\nkind: X\nmetadata: {name: a, name: b}\nmode: 0644\nsuspend: yes\nplain: 0\n";
        let [manifest] = parse_manifest(text, Revision(1)).unwrap().try_into().unwrap();
        assert_eq!(manifest.name(), "b");
        assert_eq!(manifest.object["mode"], 0o644);
        assert_eq!(manifest.object["plain"], 0);
        assert_eq!(manifest.object["suspend"], true);
    }
}
