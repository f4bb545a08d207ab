//! The part of a repository that detection reads: the names at its root, and the text of a few files.

use std::collections::{BTreeMap, BTreeSet};

use super::stack::Stack;

/// Files that detection reads beside the [markers](Stack::markers): versions, start commands, lock files that name versions.
const FURTHER_FILES: &[&str] = &[
    "Procfile",
    ".tool-versions",
    ".python-version",
    "runtime.txt",
    "application.py",
    "wsgi.py",
    "asgi.py",
    "server.py",
    ".nvmrc",
    ".node-version",
    ".go-version",
    "rust-toolchain.toml",
    "rust-toolchain",
    ".ruby-version",
    "Gemfile.lock",
    ".php-version",
    "system.properties",
    ".java-version",
    ".sdkmanrc",
    "global.json",
];
/// Markers whose text says nothing, and which may be large.
const NOT_READ: &[&str] = &["index.html", "index.php", "uv.lock", "poetry.lock"];

/// The files whose text detection needs, out of the names at the root of a repository.
pub fn files_to_read(names: &[String]) -> Vec<String> {
    let is_marker = |name: &str| Stack::BY_PRECEDENCE.iter().any(|stack| has_marker(*stack, name));
    let is_needed = |name: &&String| {
        FURTHER_FILES.contains(&name.as_str()) || (is_marker(name) && !NOT_READ.contains(&name.as_str()))
    };
    names.iter().filter(is_needed).cloned().collect()
}

/// A name for the generated Dockerfile that is not among those at the root of the repository.
pub fn unused_name(names: &[String]) -> String {
    let candidates = (1..).map(|number| format!(".slipway-{number}.Dockerfile"));
    let mut candidates = std::iter::once(".slipway.Dockerfile".to_owned()).chain(candidates);
    candidates.find(|candidate| !names.contains(candidate)).unwrap_or_default()
}

/// Whether a file of this name shows the stack.
pub(super) fn has_marker(stack: Stack, name: &str) -> bool {
    stack.markers().iter().any(|marker| match marker.strip_prefix('*') {
        Some(suffix) => name.len() > suffix.len() && name.ends_with(suffix),
        None => name == *marker,
    })
}

/// The names at the root of a repository, and the text of the files that [`files_to_read`] lists.
#[derive(Debug, Clone, Default)]
pub struct RepositoryFiles {
    names: BTreeSet<String>,
    texts: BTreeMap<String, String>,
}

impl RepositoryFiles {
    /// Bytes that are not UTF-8 are replaced.
    pub fn new(names: Vec<String>, contents: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let texts = contents.into_iter().map(|(name, content)| {
            let text = String::from_utf8_lossy(&content);
            (name, text.trim_start_matches('\u{feff}').to_owned())
        });
        Self { names: names.into_iter().collect(), texts: texts.collect() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The text of a file; `None` if it does not exist or is a directory.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// The same files with another text in one of them.
    pub(super) fn with_text(&self, name: &str, text: String) -> Self {
        let mut files = self.clone();
        files.texts.insert(name.to_owned(), text);
        files
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The first of the names that exists.
    pub(super) fn first_of<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        names.iter().copied().find(|name| self.has(name))
    }

    /// The first file that shows the stack.
    pub(super) fn marker_of(&self, stack: Stack) -> Option<&str> {
        let by_marker = stack.markers().iter().filter(|marker| !marker.starts_with('*'));
        let exact = by_marker.into_iter().find_map(|marker| self.names.get(*marker));
        exact.or_else(|| self.names.iter().find(|name| has_marker(stack, name))).map(String::as_str)
    }
}
