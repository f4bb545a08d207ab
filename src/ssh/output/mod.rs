//! The output of commands: its queue, and tables.

pub(super) mod table;
mod writer;

pub use writer::CommandOutput;
pub(super) use writer::{WeakOutput, pair};
