//! The start command of the process `web` in a Procfile.

use super::error::StackError;
use super::files::RepositoryFiles;
use super::plan::Sourced;

const PROCFILE: &str = "Procfile";

/// The command of `web`, if there is a Procfile with one.
pub(super) fn read_web_command(files: &RepositoryFiles) -> Result<Option<Sourced>, StackError> {
    let Some(text) = files.text(PROCFILE) else { return Ok(None) };
    let commands =
        text.lines().enumerate().filter_map(|(index, line)| Some((index, line.strip_prefix("web:")?.trim())));
    let Some((index, command)) = commands.into_iter().next() else { return Ok(None) };
    if command.is_empty() {
        return Err(StackError::at(PROCFILE, text, (index + 1, 5), "the process web has no command"));
    }
    checked(PROCFILE, command).map(Some)
}

/// A start command from a file.
pub(super) fn checked(file: &str, command: &str) -> Result<Sourced, StackError> {
    if command.trim().is_empty() || command.contains(|c: char| c.is_control() && c != '\t') {
        return Err(StackError::invalid_value(file, command, "a command in one line"));
    }
    Ok(Sourced::from_file(command.trim(), file))
}
