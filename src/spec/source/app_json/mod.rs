//! `app.json`, as Heroku and Dokku read it, in the shape of `slipway.yaml`.
//! <https://devcenter.heroku.com/articles/app-json-schema>, <https://dokku.com/docs/appendices/file-formats/app-json/>

mod cron;
mod formation;
mod healthchecks;
mod scripts;

use super::super::node::{Entry, FileName, Node, Origin, Value};
use super::super::problem::Problems;
use super::yaml;

/// Keys that describe the app to people and to an app catalogue.
const DESCRIPTIVE: [&str; 11] = [
    "name",
    "description",
    "keywords",
    "website",
    "repository",
    "logo",
    "success_url",
    "$schema",
    "version",
    "image",
    "stack",
];

pub(super) fn read(file: &FileName, text: &str, problems: &mut Problems) -> Option<Node> {
    if text.trim().is_empty() {
        return None;
    }
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let origin = Origin::File { file: file.clone(), line: error.line().max(1), column: error.column().max(1) };
        problems.error(&origin, format!("invalid JSON: {}", without_position(&error)));
        return None;
    }
    let source = yaml::parse(file, text, problems)?;
    if !matches!(source.value, Value::Map(_)) {
        problems.error(&source.origin, format!("the file has to be a JSON object, and is {}", source.describe()));
        return None;
    }
    Some(translate(&source, problems))
}

/// The message of serde_json without `at line 1 column 2`, which is in front of the message already.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn translate(source: &Node, problems: &mut Problems) -> Node {
    let mut root = Node::empty_map(&source.origin);
    for Entry { key, key_origin, value } in source.entries() {
        match key.as_str() {
            "env" => root.set(&["env"], value.clone()),
            "formation" => formation::translate(value, &mut root, problems),
            "healthchecks" => healthchecks::translate(value, &mut root, problems),
            "cron" => cron::translate(value, &mut root, problems),
            "scripts" => scripts::translate(value, &mut root, problems),
            known if DESCRIPTIVE.contains(&known) => {}
            _ => problems.warn(key_origin, format!("{key} is not used by slipway")),
        }
    }
    root
}

/// Warns about the keys of a map that are not in `known`.
fn warn_unused(node: &Node, known: &[&str], problems: &mut Problems) {
    for Entry { key, key_origin, .. } in node.entries() {
        if !known.contains(&key.as_str()) {
            problems.warn(key_origin, format!("{key} is not used by slipway"));
        }
    }
}

/// Copies values under other names.
fn copy_keys(from: &Node, to: &mut Node, path: &[&str], names: &[(&str, &str)]) {
    for (name, target) in names {
        if let Some(value) = from.get(name) {
            to.set(&[path, &[*target]].concat(), value.clone());
        }
    }
}
