//! What the deploys of an app printed, kept beside its repository, so that it can be read once the terminal is gone.
//!
//! One file a deploy, a JSON object a line ([`Entry`]), in a directory of the app's repository: it is set aside and removed
//! with it, and nobody who takes the name later reads it.

mod entry;
mod store;
mod writer;

pub use entry::{Deploy, Entry, Head, Outcome, State};
pub use store::{Log, LogError, Logs};
pub use writer::LogWriter;
