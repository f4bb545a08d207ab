//! Stacks: how a repository without a Dockerfile is built. Pure.
//!
//! [`files_to_read`] says which files detection needs, [`detect`] makes a printable [`StackPlan`] from them, and
//! [`generate_dockerfile`] turns the plan into a Dockerfile with the template of its stack in `templates/stacks/`.

mod detect;
mod dockerfile;
mod dotnet;
mod elixir;
mod error;
mod files;
mod go;
mod java;
mod manifest;
mod node;
mod node_static;
mod php;
mod plan;
mod procfile;
mod python;
mod python_start;
mod range;
mod ruby;
mod rust;
mod settings;
mod stack;
mod static_files;
#[cfg(test)]
mod tests;
mod version;
mod word;

pub use detect::{detect, looked_for};
pub use dockerfile::{DEFAULT_IGNORE, generate_dockerfile};
pub use error::StackError;
pub use files::{RepositoryFiles, files_to_read, unused_name};
pub use plan::{Origin, Sourced, StackPlan};
pub use settings::{BuildArg, ImageOverride, StackSettings};
pub use stack::Stack;
