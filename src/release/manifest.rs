//! Reads the manifest of a release record. Pure.

use serde_json::Value;

use super::error::QueryError;
use crate::domain::{Manifest, Revision};

/// Parses the objects of a recorded manifest. Their `source` stays empty: a record has it in comments only.
///
/// # Errors
/// [`QueryError::UnreadableManifest`] if a document is not an object with API version, kind and name.
pub(super) fn parse_manifest(manifest: &str, revision: Revision) -> Result<Vec<Manifest>, QueryError> {
    let documents: Vec<Value> = serde_yaml::from_multiple(manifest)
        .map_err(|error| QueryError::UnreadableManifest { revision, source: Box::new(error).into() })?;
    let objects = documents.into_iter().filter(|document| !document.is_null());
    let manifests: Vec<_> = objects.map(|object| Manifest { source: String::new(), object }).collect();
    let is_nameless = |m: &Manifest| m.api_version().is_empty() || m.kind().is_empty() || m.name().is_empty();
    if manifests.iter().any(is_nameless) {
        let source = "a document has no apiVersion, kind or name".into();
        return Err(QueryError::UnreadableManifest { revision, source });
    }
    Ok(manifests)
}

#[cfg(test)]
mod tests {
    use super::super::object_id::ObjectId;
    use super::*;

    #[test]
    fn a_recorded_manifest_yields_its_objects() {
        let text = "---\n# Source: a/templates/x.yaml\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\n---\n\
                    # Source: a/templates/y.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: b\n---\n";
        let manifests = parse_manifest(text, Revision(1)).unwrap();
        let names: Vec<_> = manifests.iter().map(|m| ObjectId::from_manifest(m).to_string()).collect();
        assert_eq!(names, ["service/a", "deployment/b"]);
        assert_eq!(parse_manifest("", Revision(1)).unwrap(), []);
        for broken in ["a: [", "- 1", "kind: Service", "---\nx: 1\n---\na: b: c"] {
            assert!(parse_manifest(broken, Revision(1)).is_err(), "{broken}");
        }
    }
}
