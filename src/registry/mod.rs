//! Images in the registry.
//!
//! `reference` and `push_progress` are pure. `client` sends requests to the registry, `connectivity` has the Engine contact the
//! registry, and `publish` has the Engine push an image.

mod authentication;
mod client;
mod connectivity;
mod credentials;
mod error;
mod garbage_collector;
mod images;
mod publish;
mod push_progress;
mod push_reporter;
mod reference;
mod response;
mod retry_diagnosis;
mod temporary_tag;

pub use client::Registry;
pub(crate) use credentials::{PasswordFile, PasswordFiles};
pub use error::RegistryError;
pub(crate) use garbage_collector::GarbageCollector;
pub use publish::publish;
