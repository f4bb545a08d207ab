//! Merges the trees of two files.

use super::node::{Node, Value};

/// `over` wins: maps are merged key by key, everything else is replaced.
pub(super) fn merge(base: Node, over: Node) -> Node {
    let Node { value, origin } = over;
    match (base.value, value) {
        (Value::Map(mut entries), Value::Map(later)) => {
            for entry in later {
                match entries.iter_mut().find(|earlier| earlier.key == entry.key) {
                    Some(earlier) => {
                        let value = std::mem::replace(&mut earlier.value, Node::empty_map(&origin));
                        earlier.value = merge(value, entry.value);
                    }
                    None => entries.push(entry),
                }
            }
            Node { value: Value::Map(entries), origin: base.origin }
        }
        (_, value) => Node { value, origin },
    }
}
