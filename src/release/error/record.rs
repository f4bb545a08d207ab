//! Errors of a new record.

use crate::domain::{Revision, Target};

/// Why a record was not written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Another writer created the record of this revision first.
    #[error("someone else created {revision} of {target} in the meantime; push again")]
    RevisionExists { target: Target, revision: Revision },
    /// The record does not fit into a Secret. Sizes are in bytes.
    #[error(
        "the release record is too large: {size} bytes compressed, and a Secret holds {limit}; the largest objects are \
         {largest}"
    )]
    TooLarge { size: usize, limit: usize, largest: String },
    #[error("the release record could not be encoded")]
    Encode(#[source] std::io::Error),
}
