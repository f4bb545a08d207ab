//! Apps as the cluster knows them: a namespace, its owner.

mod adopt;
mod error;
mod namespace;
mod reach;
mod remove;
mod rights;

pub use error::AppsError;
pub use namespace::{App, Claim, Ownership};
pub use reach::{Apps, Reach};
pub use remove::Removed;
pub use rights::{AppRights, ServiceAccount};
