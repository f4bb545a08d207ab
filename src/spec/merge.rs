//! Merges the trees of two files.

use super::node::{Entry, Node, Value};

/// The keys that say together what a probe does.
const CHECK_KEYS: [&str; 4] = ["type", "path", "command", "port"];

/// `over` wins: maps are merged key by key, everything else is replaced. The source of a variable and the check of a probe are
/// one value each, although they are maps.
pub(super) fn merge(base: Node, over: Node) -> Node {
    merge_at("", base, over)
}

/// `key` is that of both nodes.
fn merge_at(key: &str, base: Node, over: Node) -> Node {
    let Node { value, origin } = over;
    match (base.value, value) {
        (Value::Map(entries), Value::Map(later)) => {
            let entries = without_replaced_check(key, entries, &later);
            let merged = later.into_iter().fold(entries, |entries, entry| merge_entry(key, entries, entry));
            Node { value: Value::Map(merged), origin: base.origin }
        }
        (_, value) => Node { value, origin },
    }
}

fn merge_entry(parent: &str, mut entries: Vec<Entry>, later: Entry) -> Vec<Entry> {
    match entries.iter_mut().find(|earlier| earlier.key == later.key) {
        Some(earlier) if parent == "env" => earlier.value = later.value,
        Some(earlier) => {
            let origin = earlier.value.origin.clone();
            let value = std::mem::replace(&mut earlier.value, Node::empty_map(&origin));
            earlier.value = merge_at(&later.key, value, later.value);
        }
        None => entries.push(later),
    }
    entries
}

/// The earlier entries without the check, if the later ones have another.
fn without_replaced_check(key: &str, mut entries: Vec<Entry>, later: &[Entry]) -> Vec<Entry> {
    let is_probe = matches!(key, "health" | "startup" | "readiness" | "liveness");
    let is_check = |entry: &Entry| CHECK_KEYS.contains(&entry.key.as_str());
    if is_probe && later.iter().any(is_check) {
        entries.retain(|entry| !is_check(entry));
    }
    entries
}
