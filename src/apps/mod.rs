//! Apps as the cluster knows them: a namespace, its owner.

mod error;
mod namespace;
mod remove;

pub use error::AppsError;
pub use namespace::{App, Claim, Ownership, claim, list, ownership};
pub use remove::remove;
