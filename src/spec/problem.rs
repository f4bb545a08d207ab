//! Errors and warnings about an app's files.

use std::fmt;

use super::files::SpecFile;
use super::node::Origin;
use crate::domain::progress::strip_control;

/// How many errors are reported.
const MAX_REPORTED: usize = 50;
/// How much of a line is shown, in characters.
const MAX_LINE: usize = 100;

/// The collected errors and warnings.
#[derive(Debug, Default)]
pub(super) struct Problems {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    origin: Origin,
    message: String,
}

/// Something that the pusher should know and that prevents nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(String);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that is wrong with the files, each with its place and the line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SpecError(String);

impl Problems {
    pub fn error(&mut self, origin: &Origin, message: impl Into<String>) {
        self.errors.push(Problem { origin: origin.clone(), message: message.into() });
    }

    pub fn warn(&mut self, origin: &Origin, message: impl Into<String>) {
        self.warnings.push(Problem { origin: origin.clone(), message: message.into() });
    }

    pub fn has_no_errors(&self) -> bool {
        self.errors.is_empty()
    }

    /// The warnings; all errors, if there are some.
    pub fn into_warnings(self, files: &[SpecFile]) -> Result<Vec<Warning>, SpecError> {
        let Self { mut errors, warnings } = self;
        errors.sort_by_key(|error| position(&error.origin, files));
        if errors.is_empty() {
            return Ok(warnings.iter().map(|warning| Warning(warning.headline())).collect());
        }
        let more = errors.len().saturating_sub(MAX_REPORTED);
        let mut lines: Vec<_> = errors.iter().take(MAX_REPORTED).map(|error| error.with_line(files)).collect();
        if more > 0 {
            lines.push(format!("and {more} more errors"));
        }
        Err(SpecError(lines.join("\n")))
    }
}

impl Problem {
    fn headline(&self) -> String {
        // Keys and values of the files are in the messages.
        let message = strip_control(&self.message);
        match &self.origin {
            Origin::Default => message,
            Origin::File { file, line, column } => format!("{file}:{line}:{column}: {message}"),
        }
    }

    fn with_line(&self, files: &[SpecFile]) -> String {
        let headline = self.headline();
        match source_line(&self.origin, files) {
            Some((number, text)) => format!("{headline}\n  {number} | {text}"),
            None => headline,
        }
    }
}

/// The order in which errors are listed: by file, line and column.
fn position(origin: &Origin, files: &[SpecFile]) -> (usize, usize, usize) {
    match origin {
        Origin::Default => (usize::MAX, 0, 0),
        Origin::File { file, line, column } => {
            (files.iter().position(|candidate| candidate.name == *file).unwrap_or(usize::MAX), *line, *column)
        }
    }
}

/// The line at an origin, with its number.
fn source_line(origin: &Origin, files: &[SpecFile]) -> Option<(usize, String)> {
    let Origin::File { file, line, .. } = origin else { return None };
    let content = &files.iter().find(|candidate| candidate.name == *file)?.content;
    let text = String::from_utf8_lossy(content);
    let shown: String = text.lines().nth(line.checked_sub(1)?)?.chars().take(MAX_LINE).collect();
    Some((*line, strip_control(&shown.trim_end().replace('\t', " "))))
}
