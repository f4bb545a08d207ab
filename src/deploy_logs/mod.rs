//! The stored output of an app's deploys, for `builds:list` and `builds:output`.
//!
//! Each deploy has one file of JSON lines (`LogEntry`) in a directory of the app's repository. The directory is
//! archived and deleted with the repository, so the next owner of the app's name cannot read the logs.

mod entry;
mod store;
mod writer;

pub use entry::{DeployState, DeploySummary, LogHeader};
pub use store::{DeployLog, DeployLogError, DeployLogStore};
pub use writer::DeployLogWriter;
