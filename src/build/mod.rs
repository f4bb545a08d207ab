//! Builds the image of a commit with the Docker Engine.
//!
//! The plan, the ignore rules and the build log are pure; the context is a stream and is never held in memory.

mod build_log;
mod context;
mod dockerfile;
mod engine;
mod error;
mod ignore;
mod image;
mod output;
mod pattern;
mod plan;
mod run;
mod shell;
mod tls;
mod tls_error;

pub(crate) use dockerfile::keep_declared_args;
pub use engine::{Builder, Engine};
pub use error::BuildError;
pub use image::{LocalImage, remove_app_image};
pub use plan::{AddedDockerfile, BuildPlan, NoDockerfile};
pub(crate) use plan::{SIMILAR_NAMES, find_dockerfile, ignore_file_candidates};
pub use run::build_image;
pub use shell::has_shell;
pub use tls::EngineTls;
