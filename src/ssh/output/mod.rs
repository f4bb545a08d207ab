//! The output of commands: its queue, progress lines and tables.

pub(super) mod progress;
pub(super) mod table;
mod writer;

pub use writer::CommandOutput;
pub(super) use writer::pair;
