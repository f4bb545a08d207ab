//! A tree of values with their origins.

use std::fmt;
use std::sync::Arc;

/// The name of a file in messages.
pub(super) type FileName = Arc<str>;

/// Where a value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// No file says it.
    Default,
    /// Counted from 1.
    File { file: FileName, line: usize, column: usize },
}

impl fmt::Display for Origin {
    /// Without the column.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line, .. } => write!(f, "{file}:{line}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub value: Value,
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    /// A number, a truth value or a text: what it is depends on where it stands.
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub key_origin: Origin,
    pub value: Node,
}

impl Node {
    pub fn new(value: Value, origin: &Origin) -> Self {
        Self { value, origin: origin.clone() }
    }

    pub fn scalar(text: impl Into<String>, origin: &Origin) -> Self {
        Self::new(Value::Scalar(text.into()), origin)
    }

    pub fn empty_map(origin: &Origin) -> Self {
        Self::new(Value::Map(Vec::new()), origin)
    }

    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// Sets the value at a path of keys, with maps on the way to it.
    pub fn set(&mut self, path: &[&str], value: Node) {
        let Some((key, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Vec::new());
        }
        let Value::Map(entries) = &mut self.value else { return };
        if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) {
            return entry.value.set(rest, value);
        }
        let key_origin = value.origin.clone();
        let mut child = Node::empty_map(&key_origin);
        child.set(rest, value);
        entries.push(Entry { key: (*key).to_owned(), key_origin, value: child });
    }

    /// The kind of the value, for messages.
    pub fn describe(&self) -> &'static str {
        match self.value {
            Value::Null => "empty",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}
