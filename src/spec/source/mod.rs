//! The readers of the file formats. Each yields a tree in the shape of `slipway.yaml`.

mod app_json;
mod procfile;
mod slipway_yaml;
mod yaml;

pub(super) use slipway_yaml::WEB_KEYS;

use super::files::{Format, MAX_FILE_SIZE, SpecFile};
use super::node::{Node, Origin, Value};
use super::problem::Problems;

/// The tree of a file; `None` if the file is empty or cannot be read.
pub(super) fn read(file: &SpecFile, problems: &mut Problems) -> Option<Node> {
    let start = Origin::File { file: file.name.clone(), line: 1, column: 1 };
    if file.content.len() as u64 > MAX_FILE_SIZE {
        problems.error(&start, format!("the file has more than {MAX_FILE_SIZE} bytes"));
        return None;
    }
    let Ok(text) = std::str::from_utf8(&file.content) else {
        problems.error(&start, "the file is not UTF-8");
        return None;
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match file.format() {
        Format::Procfile => Some(procfile::read(&file.name, text, problems)),
        Format::AppJson => app_json::read(&file.name, text, problems),
        Format::SlipwayYaml => slipway_yaml::read(&file.name, text, problems),
    }
}

/// The settings of an app without any file. A Procfile lists all processes; without one, the image's command is the process `web`.
pub(super) fn defaults(has_process_list: bool) -> Node {
    let mut root = Node::empty_map(&Origin::Default);
    let processes: &[&str] = if has_process_list { &["processes"] } else { &["processes", "web"] };
    root.set(processes, Node::new(Value::Map(Vec::new()), &Origin::Default));
    root
}
