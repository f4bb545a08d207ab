//! `Procfile`: one process a line, `NAME: COMMAND`. The process `release` is the release phase.

use super::super::node::{FileName, Node, Origin};
use super::super::problem::Problems;
use crate::domain::app_spec::ProcessName;

/// Heroku's and Dokku's name of the release phase.
const RELEASE: &str = "release";

pub(super) fn read(file: &FileName, text: &str, problems: &mut Problems) -> Node {
    let mut root = Node::empty_map(&Origin::File { file: file.clone(), line: 1, column: 1 });
    let mut first_lines: Vec<(String, usize)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let origin = Origin::File { file: file.clone(), line: index + 1, column: 1 };
        match parse_line(line) {
            Ok(None) => {}
            Err(message) => problems.error(&origin, message),
            Ok(Some((name, _))) if first_lines.iter().any(|(known, _)| *known == name) => {
                let first = first_lines.iter().find(|(known, _)| *known == name).map_or(0, |(_, line)| *line);
                problems.error(&origin, format!("the process {name} is declared twice, first in line {first}"));
            }
            Ok(Some((name, command))) => {
                let command = Node::scalar(command, &origin);
                match name.as_str() {
                    RELEASE => root.set(&[RELEASE], command),
                    _ => root.set(&["processes", &name, "command"], command),
                }
                first_lines.push((name, index + 1));
            }
        }
    }
    if first_lines.is_empty() {
        problems.error(&root.origin, "the Procfile declares no process: write lines such as `web: ./server`");
    }
    root
}

/// The name and the command of a line; `None` for an empty line or a comment.
fn parse_line(line: &str) -> Result<Option<(String, String)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, command) = line.split_once(':').ok_or("a line is `NAME: COMMAND`")?;
    let name = ProcessName::try_from(name.trim_end().to_owned())?.to_string();
    let command = command.trim();
    if command.is_empty() {
        return Err(format!("the process {name} has no command"));
    }
    Ok(Some((name, command.to_owned())))
}
