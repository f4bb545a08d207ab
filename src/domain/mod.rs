//! The vocabulary: names, the values handed from stage to stage, progress and cancellation.
//!
//! Nothing here imports another room of this crate, and nothing here does I/O.

pub mod cancel;
pub mod handoff;
pub mod labels;
pub mod metric;
pub mod names;
pub mod progress;
pub mod revision;
pub mod trace;

pub use cancel::{Cancel, Cancelled};
pub use handoff::{BuiltImage, Manifest, ObjectStore, PublishedImage, PushedCommit, Quarantine, RenderedChart};
pub use names::{AppName, BranchName, CommitSha, Digest, ImageRef, NameError, UserName};
pub use progress::{Event, Progress};
pub use revision::{NotARevision, Revision};
pub use trace::{Outcome, Trace, traced};
