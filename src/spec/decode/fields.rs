//! The keys of one map.

use super::super::node::{Entry, Node, Value};
use super::super::problem::Problems;

/// How similar an unknown key has to be to a known one that is proposed, from 0 to 1.
const SIMILARITY: f64 = 0.75;

/// Reads the values of a map key by key, and remembers which keys there are.
pub(super) struct Fields<'n, 'p> {
    entries: &'n [Entry],
    path: String,
    known: Vec<&'static str>,
    problems: &'p mut Problems,
}

impl<'n, 'p> Fields<'n, 'p> {
    /// Notes an error if the node is no map.
    pub fn open(node: &'n Node, path: &str, problems: &'p mut Problems) -> Self {
        if !matches!(node.value, Value::Map(_)) {
            problems.error(&node.origin, format!("{path} has to be a map of settings, and is {}", node.describe()));
        }
        Self { entries: node.entries(), path: path.to_owned(), known: Vec::new(), problems }
    }

    /// Reads the value of a key; `None` if it is absent, null or invalid.
    pub fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node, &str, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let node = self.get(key)?;
        let path = join(&self.path, key);
        read(node, &path, self.problems)
    }

    /// The node of a key, unless it is null.
    pub fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!entry.value.is_null()).then_some(&entry.value)
    }

    /// Keys that another reader has read.
    pub fn also_known(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
    }

    pub fn problems(&mut self) -> &mut Problems {
        self.problems
    }

    /// Notes the keys that were not read.
    pub fn finish(self) {
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let key = join(&self.path, &entry.key);
            let message = match nearest(&entry.key, &self.known) {
                Some(known) => format!("unknown key {key}: did you mean {known}?"),
                None => format!("unknown key {key}: the keys here are {}", self.known.join(", ")),
            };
            self.problems.error(&entry.key_origin, message);
        }
    }
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let normal = |text: &str| text.to_lowercase().replace(['_', '-'], "");
    let scored = known.iter().map(|name| (strsim::jaro_winkler(&normal(key), &normal(name)), *name));
    scored.filter(|(score, _)| *score >= SIMILARITY).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}
