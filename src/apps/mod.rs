//! Apps as the cluster knows them: a namespace, its owner.

mod adopt;
mod error;
mod namespace;
mod pull_secret;
mod remove;
mod rights;

pub use adopt::adopt;
pub use error::AppsError;
pub use namespace::{App, Claim, Ownership, claim, list, ownership};
pub use pull_secret::{PULL_SECRET, PullSecret, pulls_from, remove_pull_secret, write_pull_secret};
pub use remove::{Removed, remove};
pub use rights::{AppRights, ServiceAccount};
