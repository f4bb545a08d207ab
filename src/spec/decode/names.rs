//! Maps whose keys are names that the app chooses.

use std::collections::BTreeMap;

use super::super::node::{Node, Value};
use super::super::problem::Problems;
use super::fields::join;

/// Reads a map from names to values. An entry whose value is null is left out: a later file removes it so.
pub(super) fn read_map<K, V>(
    node: &Node,
    path: &str,
    problems: &mut Problems,
    read: impl Fn(&Node, &str, &mut Problems) -> Option<V>,
) -> Option<BTreeMap<K, V>>
where
    K: Ord + TryFrom<String, Error = String>,
{
    let Value::Map(entries) = &node.value else {
        problems.error(&node.origin, format!("{path} has to be a map, and is {}", node.describe()));
        return None;
    };
    let mut map = BTreeMap::new();
    for entry in entries.iter().filter(|entry| !entry.value.is_null()) {
        let value = read(&entry.value, &join(path, &entry.key), problems);
        match K::try_from(entry.key.clone()) {
            Ok(name) => drop(value.and_then(|value| map.insert(name, value))),
            Err(reason) => problems.error(&entry.key_origin, format!("{path}: {reason}")),
        }
    }
    Some(map)
}
