//! Repositories, and git processes that serve them.
//!
//! slipway runs the real git: `receive-pack`, `upload-pack` and `upload-archive` speak to the client,
//! and a handful of short-lived commands answer questions about a repository. The pre-receive hook
//! is slipway itself, which relays to the gateway over a unix socket; [`updates`] decides there what
//! becomes of each ref, before anything is built.

pub mod archive;
mod child;
mod command;
mod error;
pub mod hook;
pub mod inspect;
mod refnames;
pub mod repos;
pub mod service;
mod sweep;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod updates;

pub use archive::archive;
pub use child::Child;
pub use error::GitError;
pub use hook::{HookCall, HookListener, HookRequest, relay};
pub use inspect::{deploy_head, describe, facts, facts_now, ref_value, set_head};
pub use repos::Repositories;
pub use service::{Hook, Invocation, Service, ServiceSettings};
pub use tree::{TreeLimits, read_file, top_level};
pub use updates::{RefPlan, RefUpdate, RefusedUpdate, RepoFacts, plan};
