//! `slipway.yaml`: already in the shape of the tree, but for the short form of an app with one process.

use super::super::node::{Entry, FileName, Node, Value};
use super::super::problem::Problems;
use super::yaml;

/// Keys of the process `web` that `slipway.yaml` may have at its top level.
pub(in super::super) const WEB_KEYS: [&str; 4] = ["port", "health", "resources", "replicas"];

pub(super) fn read(file: &FileName, text: &str, problems: &mut Problems) -> Option<Node> {
    let root = yaml::parse(file, text, problems)?;
    let Node { value: Value::Map(entries), origin } = root else {
        problems.error(&root.origin, format!("the file has to be a map of settings, and is {}", root.describe()));
        return None;
    };
    let (short, entries): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| WEB_KEYS.contains(&entry.key.as_str()));
    let mut root = Node { value: Value::Map(entries), origin };
    for Entry { key, key_origin, value } in short {
        if root.get("processes").and_then(|all| all.get("web")?.get(&key)).is_some() {
            problems.error(&key_origin, format!("{key} is the same setting as processes.web.{key}: keep one of them"));
        } else {
            root.set(&["processes", "web", &key], value);
        }
    }
    Some(root)
}
