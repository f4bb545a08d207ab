//! Reasons why a repository cannot be built without a Dockerfile.

use super::stack::Stack;

/// The most characters of a file's line or value that a message shows.
const MAX_SHOWN: usize = 80;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StackError {
    /// A file that detection reads is not valid.
    #[error("{file}, line {line}, column {column}: {reason}{}", shown(.text))]
    InvalidFile { file: String, line: usize, column: usize, reason: String, text: String },
    /// A value in a file cannot be used.
    #[error("{file}: {value:?} is not {expected}")]
    InvalidValue { file: String, value: String, expected: String },
    /// Nothing in the repository says how to start the app.
    #[error(
        "{stack} was detected ({marker}), but not how to start it: slipway looked for {looked_for}. Add a file named \
         \"Procfile\" with a line such as\n  web: {example}"
    )]
    NoStartCommand { stack: Stack, marker: String, looked_for: String, example: &'static str },
    /// A file is missing without which the build could not be repeated.
    #[error("{found} without {missing}: {remedy}, and commit the file")]
    MissingFile { found: &'static str, missing: &'static str, remedy: &'static str },
    /// slipway cannot choose one of several.
    #[error("{stack}: there are several {what} ({names}): slipway cannot choose one, so add a Dockerfile")]
    Ambiguous { stack: Stack, what: &'static str, names: String },
    /// A template of slipway's is broken, or a value does not fit into it.
    #[error("the Dockerfile for {stack} could not be generated: {reason}")]
    Template { stack: Stack, reason: String },
}

impl StackError {
    pub(super) fn invalid_value(file: &str, value: &str, expected: impl Into<String>) -> Self {
        Self::InvalidValue { file: file.to_owned(), value: shorten(value), expected: expected.into() }
    }

    /// An error at a line and a column, both from 1, of a file's text.
    pub(super) fn at(file: &str, text: &str, (line, column): (usize, usize), reason: impl Into<String>) -> Self {
        let shown = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        Self::InvalidFile { file: file.to_owned(), line, column, reason: reason.into(), text: shorten(shown) }
    }
}

fn shown(line: &str) -> String {
    if line.is_empty() { String::new() } else { format!("\n  {line}") }
}

/// The beginning of a text, without control characters.
fn shorten(text: &str) -> String {
    let clean: String = text.trim().chars().filter(|c| !c.is_control()).collect();
    match clean.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", clean.get(..end).unwrap_or_default()),
        None => clean,
    }
}
