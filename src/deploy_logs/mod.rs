//! The stored output of an app's deploys, for `builds:list` and `builds:output`.
//!
//! Each deploy has one file of JSON lines (`LogEntry`) in a directory of the app's repository. The directory is
//! archived and deleted with the repository, so the next owner of the app's name cannot read the logs.

mod directory;
mod entry;
mod read;
mod store;
mod writer;

pub use entry::{DeployLog, DeployState, DeploySummary, LogHeader};
pub use store::{DeployLogError, DeployLogStore};
pub use writer::DeployLogWriter;
