//! YAML in both directions: values files, the output of templates, and Helm's manifest text.

use std::borrow::Cow;

use serde_json::Value;
use serde_yaml::localizer::Localizer;
use serde_yaml::options::{DuplicateKeyPolicy, Options};
use serde_yaml::{Location, SnippetMode, UserMessageFormatter};

use super::error::ChartError;
use super::settings::Settings;
use crate::domain::{Manifest, RenderedChart};

/// What Helm writes before each object, followed by `CHART/templates/FILE`.
const SOURCE: &str = "# Source: ";

/// Duplicate keys are refused; nesting, aliases and sizes have the reader's bounds.
fn reading() -> Options {
    serde_yaml::options! { duplicate_keys: DuplicateKeyPolicy::Error, with_snippet: false }
}

/// Reads a values file; the error is one line that says where, which field, and what.
pub(super) fn read_settings(text: &str) -> Result<Settings, String> {
    let mut field = None;
    let read = serde_yaml::with_deserializer_from_str_with_options(text, reading(), |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            // A key that could not be read has no name in the path.
            field = Some(error.path().to_string()).filter(|path| !path.contains('?') && path != ".");
            error.into_inner()
        })
    });
    read.map_err(|error| {
        let place = error.location().map(|place| format!(", line {}", place.line())).unwrap_or_default();
        let field = field.map(|field| format!(" {field}:")).unwrap_or_default();
        format!("values file{place}:{field} {}", plain_message(&error))
    })
}

/// The reader's message for a user, without the place.
fn plain_message(error: &serde_yaml::Error) -> String {
    struct NoPlace;
    impl Localizer for NoPlace {
        fn attach_location<'a>(&self, base: Cow<'a, str>, _: Location) -> Cow<'a, str> {
            base
        }
    }
    let formatter = UserMessageFormatter.with_localizer(&NoPlace);
    error.render_with_options(serde_yaml::render_options! { formatter: &formatter, snippets: SnippetMode::Off })
}

/// Every document of a text that is not empty.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, Box<serde_yaml::Error>> {
    serde_yaml::from_multiple_with_options(text, reading()).map_err(Box::new)
}

/// The manifests as Helm keeps them in a release record and `helm get manifest` prints them. Keys
/// are sorted, as `kubectl get -o yaml` sorts them.
///
/// # Errors
/// [`ChartError::Write`] if YAML cannot say it.
pub fn to_yaml(chart: &RenderedChart) -> Result<String, ChartError> {
    let mut text = String::new();
    for manifest in &chart.manifests {
        text.push_str("---\n");
        text.push_str(SOURCE);
        text.push_str(&format!("{}/{}\n", chart.name, manifest.source));
        let object = serde_yaml::to_string_with_options(&manifest.object, writing()).map_err(ChartError::Write)?;
        text.push_str(object.trim_end_matches('\n'));
        text.push('\n');
    }
    Ok(text)
}

/// No block scalars: helm splits manifests with a regular expression that takes away line ends
/// before a `---`, and with it the last lines of such a scalar.
fn writing() -> serde_yaml::SerializerOptions {
    serde_yaml::ser_options! { prefer_block_scalars: false }
}

/// Reads manifest text: what [`to_yaml`] wrote, or what helm stored.
///
/// # Errors
/// [`ChartError::Yaml`] if it is not YAML, [`ChartError::Object`] if a document is no object with
/// `apiVersion`, `kind` and a name.
pub fn parse(manifest: &str) -> Result<Vec<Manifest>, ChartError> {
    let mut manifests = Vec::new();
    for text in split(manifest) {
        let source = source_of(&text);
        let objects = documents(&text).map_err(|error| ChartError::Yaml { template: source.clone(), source: error })?;
        for object in objects {
            let manifest = Manifest { source: source.clone(), object };
            if manifest.api_version().is_empty() || manifest.kind().is_empty() || manifest.name().is_empty() {
                let reason = "an object without apiVersion, kind or metadata.name".to_owned();
                return Err(ChartError::Object { template: source, reason });
            }
            manifests.push(manifest);
        }
    }
    Ok(manifests)
}

/// The text of each document. A line that starts with `---` and ends there or goes on with a blank
/// begins a document wherever it stands: no scalar may contain one (YAML 1.2.2, rule `c-forbidden`).
fn split(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.split_inclusive('\n') {
        let rest = line.strip_prefix("---");
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])) {
            documents.push(String::new());
        }
        if let Some(document) = documents.last_mut() {
            document.push_str(line);
        }
    }
    documents
}

/// The template that a document's comment names, without the chart's name; empty if none is named.
fn source_of(document: &str) -> String {
    let head = document.lines().skip_while(|line| line.starts_with("---") || line.trim().is_empty());
    let mut comments = head.take_while(|line| line.starts_with('#'));
    let source = comments.find_map(|line| line.strip_prefix(SOURCE)).unwrap_or_default().trim_end();
    source.split_once('/').map_or(source, |(_, path)| path).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

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

    /// Text that YAML readers trip over, and any other.
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
        fn what_is_written_is_read_again(spec in tree(), data in text()) {
            let object = json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}, "spec": spec, "z": data});
            let manifest = Manifest { source: "templates/a.yaml".into(), object };
            let manifests = vec![manifest.clone(), manifest];
            let text = to_yaml(&chart(manifests.clone())).unwrap();
            prop_assert_eq!(parse(&text).unwrap(), manifests);
        }

        #[test]
        fn reading_any_text_ends(text in "(---|[ -~\n]){0,300}") {
            let _ = parse(&text);
            let _ = Settings::from_yaml(&text);
        }
    }

    #[test]
    fn what_helm_stored_is_read() {
        let text = "\n---\n# Source: web/templates/a.yaml\n# a comment\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  \
                    name: a\ndata:\n  x: |\n    ---\n    # Source: no/such\n--- \n\n---\r\n# Source: web/charts/db/b.yaml\r\n\
                    apiVersion: v1\r\nkind: Secret\r\nmetadata: {name: b}\r\n";
        let manifests = parse(text).unwrap();
        let seen: Vec<_> = manifests.iter().map(|m| (m.source.as_str(), m.kind(), m.name())).collect();
        assert_eq!(seen, [("templates/a.yaml", "ConfigMap", "a"), ("charts/db/b.yaml", "Secret", "b")]);
        assert_eq!(manifests[0].object["data"]["x"], "---\n# Source: no/such\n");
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for bad in ["a: [", "hello", "- a", "a: 1\na: 2\n", "apiVersion: v1\nkind: X\n"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
