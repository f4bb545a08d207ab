//! Errors of the steps of a release.

use super::super::discovery::DiscoveryError;
use super::super::field_conflict::FieldConflict;
use super::super::lock::LockError;
use super::query::QueryError;
use super::record::RecordError;
use crate::domain::{Revision, Target};
use crate::k8s::ApiError;

/// Why a step, or the record of its result, failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A record had to be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// Another field manager owns fields that the chart sets.
    #[error(
        "{object} conflicts with another field manager: {conflict}; to take the fields back: git push -o force-conflicts (or \
         redeploy --force-conflicts)"
    )]
    FieldConflict {
        object: String,
        conflict: FieldConflict,
        #[source]
        source: Box<ApiError>,
    },
    /// The chart changes fields that the API server never changes.
    #[error(
        "{object}: {fields} cannot be changed once the object exists; rename the object, or delete it and deploy again"
    )]
    ImmutableFields {
        object: String,
        fields: String,
        #[source]
        source: Box<ApiError>,
    },
    /// An object of the chart is being deleted, and its finalizers hold it.
    #[error(
        "{object} is still being deleted: its finalizers ({finalizers}) hold it; remove what they wait for, then push again"
    )]
    StillBeingDeleted { object: String, finalizers: String },
    /// Another client replaced the pods of an object during its rollout; the text says who, and what runs.
    #[error("{0}")]
    TemplateReplaced(String),
    /// Another client, such as `helm rollback`, released a newer revision during the rollout.
    #[error(
        "another client released {by} of {target} ({status}) meanwhile, as helm rollback does; push again to replace it"
    )]
    NewerRevision { target: Target, by: Revision, status: &'static str },
    /// An object did not become ready; the text says which and why.
    #[error("{0}")]
    RolloutFailed(String),
}

impl StepError {
    /// Whether the lock or the API server was lost, so that the step says nothing about its object.
    pub(in crate::release) fn is_interruption(&self) -> bool {
        let (Self::Api(error) | Self::Query(QueryError::Api(error)) | Self::Discovery(DiscoveryError::Api(error))) =
            self
        else {
            return matches!(self, Self::Lock(_));
        };
        error.status().is_none()
    }
}
