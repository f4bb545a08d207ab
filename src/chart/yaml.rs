//! Reads the output of templates, and writes manifests, as YAML.

use serde_json::Value;
use serde_yaml::options::{DuplicateKeyPolicy, Options};

use super::error::ChartError;
use crate::domain::RenderedChart;

/// Helm's comment before each object, followed by `CHART/templates/FILE`.
const SOURCE_COMMENT: &str = "# Source: ";

/// Duplicate keys are refused. serde-saphyr limits nesting, aliases and sizes.
fn read_options() -> Options {
    serde_yaml::options! { duplicate_keys: DuplicateKeyPolicy::Error, with_snippet: false }
}

/// Every document that is not empty.
pub(super) fn read_documents(text: &str) -> Result<Vec<Value>, Box<serde_yaml::Error>> {
    serde_yaml::from_multiple_with_options(text, read_options()).map_err(Box::new)
}

/// The manifests as Helm stores them in a release record and as `helm get manifest` prints them. Keys are sorted as by
/// `kubectl get -o yaml`.
///
/// # Errors
/// [`ChartError::WriteYaml`] if YAML cannot represent an object.
pub fn to_yaml(chart: &RenderedChart) -> Result<String, ChartError> {
    let mut text = String::new();
    for manifest in &chart.manifests {
        text.push_str("---\n");
        text.push_str(SOURCE_COMMENT);
        text.push_str(&format!("{}/{}\n", chart.name, manifest.source));
        let object =
            serde_yaml::to_string_with_options(&manifest.object, write_options()).map_err(ChartError::WriteYaml)?;
        text.push_str(object.trim_end_matches('\n'));
        text.push('\n');
    }
    Ok(text)
}

/// Without block scalars: Helm splits manifests with a regular expression that removes line breaks before a `---`, and with
/// them the last lines of a block scalar.
fn write_options() -> serde_yaml::SerializerOptions {
    serde_yaml::ser_options! { prefer_block_scalars: false }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;
    use crate::domain::Manifest;

    fn chart(manifests: Vec<Manifest>) -> RenderedChart {
        RenderedChart {
            notes: None,
            name: "app".into(),
            version: "1.0.0".into(),
            app_version: String::new(),
            values: Value::Null,
            manifests,
        }
    }

    /// The objects and sources that [`to_yaml`] wrote.
    fn read_back(text: &str) -> Vec<Manifest> {
        let mut manifests = Vec::new();
        for document in format!("\n{text}").split("\n---\n").skip(1) {
            let (source, _) = document.strip_prefix("# Source: app/").unwrap().split_once('\n').unwrap();
            let objects = read_documents(document).unwrap().into_iter();
            manifests.extend(objects.map(|object| Manifest { source: source.to_owned(), object }));
        }
        manifests
    }

    /// Strings that YAML readers often misread, and any other.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(vec![
                "no",
                "on",
                "y",
                "~",
                "null",
                "<<",
                "0777",
                "1_000",
                "12:30:00",
                "1e3",
                ".inf",
                "0x1F",
                "---",
                "...",
                "--- a",
                "# c",
                "a: b",
                "- a",
                "a #b",
                "",
                " ",
                "\n",
                "a\n",
                "a\n\n",
                "\n---\n",
                "\u{feff}",
                "\u{85}",
                "\u{2028}",
                "\u{7f}",
                "{{ x }}",
                "&a",
                "*a",
                "!!str",
                "%YAML",
                "=",
                "2026-11-21",
                "1234567890123456789012345678901234567890",
                "12345678901234567890123456789012345678e9",
                "0e12345678901234567890123456789012345678",
                "\t",
                "'",
                "\"",
                "\\",
            ])
            .prop_map(str::to_owned),
            any::<String>(),
            "[ -~\n]{0,200}",
        ]
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(text(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn written_manifests_are_read_back_unchanged(spec in tree(), data in text()) {
            let object = json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}, "spec": spec, "z": data});
            let manifest = Manifest { source: "templates/a.yaml".into(), object };
            let manifests = vec![manifest.clone(), manifest];
            let text = to_yaml(&chart(manifests.clone())).unwrap();
            prop_assert_eq!(read_back(&text), manifests);
        }

        #[test]
        fn reading_any_text_ends(text in "(---|[ -~\n]){0,300}") {
            let _ = read_documents(&text);
        }
    }

    #[test]
    fn documents_are_read_across_comments_block_scalars_and_line_ends() {
        let text = "\n---\n# Source: web/templates/a.yaml\n# a comment\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  \
                    name: a\ndata:\n  x: |\n    ---\n    # Source: no/such\n--- \n\n---\r\n# Source: web/charts/db/b.yaml\r\n\
                    apiVersion: v1\r\nkind: Secret\r\nmetadata: {name: b}\r\n";
        let documents = read_documents(text).unwrap();
        let kinds: Vec<_> = documents.iter().map(|object| object["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["ConfigMap", "Secret"]);
        assert_eq!(documents[0]["data"]["x"], "---\n# Source: no/such\n");
        assert!(read_documents("").unwrap().is_empty());
    }

    #[test]
    fn invalid_yaml_and_duplicate_keys_are_errors() {
        for bad in ["a: [", "a: 1\na: 2\n"] {
            assert!(read_documents(bad).is_err(), "{bad}");
        }
    }
}
