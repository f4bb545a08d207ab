//! Reads an app's files to one [`AppSpec`]. Pure.
//!
//! ```text
//! files --source--> one tree of nodes each --merge--> one tree --decode--> AppSpec
//! ```
//! Each reader in `source` translates its format to the shape of `slipway.yaml`; a later file wins, value by value. A node
//! has the file and the line of its text, so that `slipway spec` can print the origin of each value, and an error its
//! place. Errors are collected: all of them are reported at once.

mod decode;
mod files;
mod merge;
mod node;
mod print;
mod problem;
mod source;

use serde::Serialize;

pub use files::{Environment, MAX_FILE_SIZE, SpecFile, environment_file, file_names, misnamed};
pub use problem::{SpecError, Warning};

use crate::domain::AppSpec;
use node::Node;
use problem::Problems;

/// An app's files, merged.
#[derive(Debug, Clone)]
pub struct ResolvedSpec {
    pub spec: AppSpec,
    pub warnings: Vec<Warning>,
    tree: Node,
}

impl ResolvedSpec {
    /// Each value with its origin, as YAML.
    pub fn to_yaml(&self) -> String {
        print::to_yaml(&self.tree)
    }

    /// Each value with its origin, as a JSON list.
    pub fn to_json(&self) -> serde_json::Value {
        print::to_json(&self.tree)
    }
}

impl Serialize for ResolvedSpec {
    /// As [`ResolvedSpec::to_json`].
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

/// Reads and merges the files of an app, in the order of [`file_names`].
///
/// # Errors
/// [`SpecError`] lists everything that is wrong with the files.
pub fn resolve(files: &[SpecFile]) -> Result<ResolvedSpec, SpecError> {
    let mut problems = Problems::default();
    let layers: Vec<_> = files.iter().filter_map(|file| source::read(file, &mut problems)).collect();
    let has_process_list = files.iter().any(SpecFile::is_procfile);
    let defaults = source::defaults(has_process_list);
    let tree = layers.into_iter().fold(defaults, merge::merge);
    let spec = decode::decode(&tree, &mut problems);
    let warnings = problems.into_warnings(files)?;
    Ok(ResolvedSpec { spec, warnings, tree })
}

/// The JSON Schema of `slipway.yaml`.
pub const SCHEMA: &str = include_str!("schema.json");

#[cfg(test)]
mod tests;
