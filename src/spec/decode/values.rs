//! Single values.

use std::num::NonZeroU16;
use std::ops::RangeInclusive;

use super::super::node::{Node, Value};
use super::super::problem::Problems;
use crate::domain::app_spec::Command;

/// The most pods of a process that a file can ask for.
pub(super) const REPLICAS: RangeInclusive<u32> = 0..=1000;
/// Seconds, up to an hour.
pub(super) const SECONDS: RangeInclusive<u32> = 0..=3600;

/// A text without NUL.
pub(super) fn text(node: &Node, path: &str, problems: &mut Problems) -> Option<String> {
    match node.as_text() {
        Some(text) if text.contains('\0') => {
            problems.error(&node.origin, format!("{path} has a NUL character"));
            None
        }
        Some(text) => Some(text.to_owned()),
        None => {
            problems.error(&node.origin, format!("{path} has to be a single value, and is {}", node.describe()));
            None
        }
    }
}

/// A value that its type checks.
pub(super) fn parsed<T: TryFrom<String, Error = String>>(
    node: &Node,
    path: &str,
    problems: &mut Problems,
) -> Option<T> {
    let text = text(node, path, problems)?;
    note(T::try_from(text), node, path, problems)
}

/// The value, or an error at its place.
pub(super) fn note<T>(result: Result<T, String>, node: &Node, path: &str, problems: &mut Problems) -> Option<T> {
    result.map_err(|reason| problems.error(&node.origin, format!("{path}: {reason}"))).ok()
}

pub(super) fn port(node: &Node, path: &str, problems: &mut Problems) -> Option<NonZeroU16> {
    let text = text(node, path, problems)?;
    note(text.parse().map_err(|_| format!("{text:?} is not a port (1 to 65535)")), node, path, problems)
}

/// A reader of whole numbers in a range.
pub(super) fn number(
    range: RangeInclusive<u32>,
    what: &'static str,
) -> impl Fn(&Node, &str, &mut Problems) -> Option<u32> {
    move |node, path, problems| {
        let text = text(node, path, problems)?;
        let valid = text.parse().ok().filter(|number| range.contains(number));
        let message = || format!("{text:?} is not a {what} ({} to {})", range.start(), range.end());
        note(valid.ok_or_else(message), node, path, problems)
    }
}

/// Seconds: `90`, or with a unit: `90s`, `2m`.
pub(super) fn seconds(node: &Node, path: &str, problems: &mut Problems) -> Option<u32> {
    let text = text(node, path, problems)?;
    let with_unit =
        || humantime::parse_duration(&text).ok().filter(|time| time.subsec_nanos() == 0).map(|time| time.as_secs());
    let seconds = text.parse::<u64>().ok().or_else(with_unit).and_then(|seconds| u32::try_from(seconds).ok());
    let valid = seconds.filter(|seconds| SECONDS.contains(seconds));
    note(valid.ok_or_else(|| format!("{text:?} is not a time such as 30 or 30s, up to an hour")), node, path, problems)
}

pub(super) fn boolean(node: &Node, path: &str, problems: &mut Problems) -> Option<bool> {
    let text = text(node, path, problems)?;
    let value = match text.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    };
    note(value, node, path, problems)
}

/// A list of texts.
pub(super) fn words(node: &Node, path: &str, problems: &mut Problems) -> Option<Vec<String>> {
    let Value::List(items) = &node.value else {
        problems.error(&node.origin, format!("{path} has to be a list, and is {}", node.describe()));
        return None;
    };
    items.iter().map(|item| text(item, path, problems)).collect()
}

/// A line, which may be for a shell, or a list of a program and its arguments.
pub(super) fn command(node: &Node, path: &str, problems: &mut Problems) -> Option<Command> {
    let command = match &node.value {
        Value::List(_) => Command::from_words(words(node, path, problems)?),
        _ => Command::from_line(&text(node, path, problems)?),
    };
    note(command.map_err(|error| error.to_string()), node, path, problems)
}
