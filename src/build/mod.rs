//! From a source tree to an image in the Engine.
//!
//! `plan`, `dockerfile`, `ignore`, `pattern` and `transcript` decide and are pure; `context`, `engine`,
//! `tls`, `image` and `run` do.

pub mod context;
pub mod dockerfile;
pub mod engine;
pub mod error;
pub mod ignore;
pub mod image;
mod output;
mod pattern;
pub mod plan;
mod run;
mod tls;
mod transcript;

pub use engine::{Builder, Engine};
pub use error::BuildError;
pub use image::LocalImage;
pub use plan::{BuildPlan, NoDockerfile};
pub use run::build;
pub use tls::EngineTls;
