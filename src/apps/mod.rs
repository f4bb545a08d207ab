//! Apps as the cluster knows them: a namespace, its owner.

mod adopt;
mod error;
mod known;
mod namespace;
mod pull_secret;
mod reach;
mod remove;
mod rights;

pub use error::AppsError;
pub use namespace::{App, Claim, Ownership};
pub use pull_secret::{PULL_SECRET, PullSecret};
pub use reach::{Apps, Reach};
pub use remove::Removed;
pub use rights::{AppRights, ServiceAccount};
