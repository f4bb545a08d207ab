//! Prints a tree with the origin of each value.

use serde_json::json;

use super::node::{Node, Origin, Value};

/// The column at which the origins begin, unless a line is longer.
const ORIGIN_COLUMN: usize = 48;

/// YAML, with the origin as a comment behind each value.
pub(super) fn to_yaml(root: &Node) -> String {
    let mut lines = Vec::new();
    write_entries(root, 0, &mut lines);
    lines.into_iter().map(|line| line + "\n").collect()
}

fn write_entries(node: &Node, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    for entry in node.entries() {
        let key = quote(&entry.key);
        match &entry.value.value {
            Value::Map(children) if !children.is_empty() => {
                lines.push(format!("{indent}{key}:"));
                write_entries(&entry.value, depth + 1, lines);
            }
            _ => lines.push(with_origin(format!("{indent}{key}: {}", inline(&entry.value)), &entry.value.origin)),
        }
    }
}

fn with_origin(line: String, origin: &Origin) -> String {
    format!("{line:<ORIGIN_COLUMN$} # {origin}")
}

fn inline(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Scalar(text) => quote(text),
        Value::List(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let pairs = entries.iter().map(|entry| format!("{}: {}", quote(&entry.key), inline(&entry.value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The text, in double quotes unless it can only be read as it is.
fn quote(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '$' | '=' | '@' | ' ' | '%' | '+');
    let is_plain = !text.is_empty()
        && text.chars().all(plain)
        && text.starts_with(|c: char| c.is_alphanumeric() || c == '/' || c == '$')
        && !text.ends_with(' ')
        && !text.contains(" #")
        && text != "null";
    if is_plain { text.to_owned() } else { json!(text).to_string() }
}

/// A list of `path`, `value` and `origin`.
pub(super) fn to_json(root: &Node) -> serde_json::Value {
    let mut values = Vec::new();
    collect(root, "", &mut values);
    serde_json::Value::Array(values)
}

fn collect(node: &Node, path: &str, values: &mut Vec<serde_json::Value>) {
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            for entry in entries {
                let path = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
                collect(&entry.value, &path, values);
            }
        }
        _ if path.is_empty() => {}
        _ => values.push(json!({"path": path, "value": plain_value(node), "origin": node.origin.to_string()})),
    }
}

fn plain_value(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Scalar(text) => json!(text),
        Value::List(items) => items.iter().map(plain_value).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), plain_value(&entry.value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}
