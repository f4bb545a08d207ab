//! Images in the registry.
//!
//! `reference` and `push_progress` are pure; `access` says as whom slipway comes, `client` asks the registry, `reach` has the
//! Engine ask it, `publish` has the Engine push.

mod access;
mod client;
mod collection;
pub mod error;
mod publish;
mod push_progress;
mod reach;
pub mod reference;
mod retention;
mod tag;
mod voice;

pub use access::{PasswordFile, Passwords};
pub use client::Registry;
pub use collection::Collection;
pub use error::RegistryError;
pub use publish::publish;
pub use reference::Address;
