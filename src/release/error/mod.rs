//! Errors of releases, by the time at which they occur: while records are read, before a release begins, and while its
//! steps are performed.

mod precondition;
mod query;
mod record;
mod release;
mod step;

pub use precondition::PreconditionError;
pub use query::QueryError;
pub use record::RecordError;
pub use release::{ReleaseError, RollbackOutcome};
pub use step::StepError;
