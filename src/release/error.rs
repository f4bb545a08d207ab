//! Errors of a release.

use std::time::Duration;

use super::field_conflict::FieldConflict;
use super::lock::{LockError, ReleaseLock};
use super::plan::RolloutPhase;
use super::record::DecodeError;
use super::revision_summary::RevisionSummary;
use crate::domain::{NamespaceName, Revision, Target};
use crate::k8s::ApiError;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a release, or a query about releases, failed.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Another field manager owns fields that the chart sets.
    #[error(
        "{object} conflicts with another field manager: {conflict}; revert that change, or remove the fields from the chart"
    )]
    Conflict {
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
    /// An object of the chart exists and is not the release's.
    #[error(
        "{object} already exists in namespace {namespace} and does not belong to this app; delete it, or rename yours"
    )]
    OwnedByOther { object: String, namespace: NamespaceName },
    /// Another writer created the record of this revision first.
    #[error("someone else created {revision} of {target} in the meantime; push again")]
    RevisionExists { target: Target, revision: Revision },
    /// The newest record is pending, and helm wrote it.
    #[error("helm is working on {target} ({revision} has been {status} for {} s); try again later", age.as_secs())]
    InProgress { target: Target, revision: Revision, status: &'static str, age: Duration },
    /// The newest record is pending, and slipway wrote it.
    #[error("the deploy of {revision} of {target} was interrupted and has not been rolled back yet; push again")]
    Interrupted { target: Target, revision: Revision },
    /// The record does not fit into a Secret. Sizes are in bytes.
    #[error(
        "the release record is too large: {size} bytes compressed, and a Secret holds {limit}; the largest objects are \
         {largest}"
    )]
    RecordTooLarge { size: usize, limit: usize, largest: String },
    #[error("the release record could not be encoded")]
    EncodeRecord(#[source] std::io::Error),
    #[error("the record of {revision} cannot be read: {source}")]
    UnreadableRecord { revision: Revision, source: DecodeError },
    #[error("{target} has no {revision}{}", releases_hint(target))]
    NoSuchRevision { target: Target, revision: Revision },
    /// The release does not exist, or was uninstalled.
    #[error("{0} has no deployed revision")]
    NotDeployed(Target),
    /// No earlier revision was deployed, or all of them have the same manifest.
    #[error("no earlier revision of {target} differs from {revision}")]
    NoPreviousRevision { target: Target, revision: Revision },
    #[error("{revision} of {target} is {status}; only a revision that was deployed can be rolled back to")]
    NotRollbackTarget { target: Target, revision: Revision, status: &'static str },
    #[error("{target} already runs {revision}")]
    AlreadyDeployed { target: Target, revision: Revision },
    #[error("an object cannot be written as YAML")]
    SerializeObject(#[source] BoxError),
    #[error("the manifest recorded for {revision} cannot be read")]
    UnreadableManifest { revision: Revision, source: BoxError },
    #[error("this cluster has no kind {kind} in {api_version}")]
    UnknownKind { api_version: String, kind: String },
    #[error("{object} is cluster-scoped; an app can only have objects in its own namespace")]
    ClusterScoped { object: String },
    /// An object did not become ready; the text says which and why.
    #[error("{0}")]
    RolloutFailed(String),
    /// The error occurred before anything was written.
    #[error(transparent)]
    PreconditionFailed(Box<ReleaseError>),
    /// The revision is recorded as failed.
    #[error("{revision} failed: {cause}; {outcome}")]
    Failed {
        revision: Revision,
        /// The phase of the rollout in which the error occurred.
        phase: RolloutPhase,
        #[source]
        cause: Box<ReleaseError>,
        outcome: RollbackOutcome,
    },
}

impl ReleaseError {
    /// Marks an error that occurred before anything was written.
    pub(super) fn before_any_write(self) -> Self {
        Self::PreconditionFailed(Box::new(self))
    }

    /// Whether a pending record may be left, which [`super::recover`] has to roll back.
    pub fn needs_recovery(&self) -> bool {
        match self {
            Self::Failed { outcome, .. } => outcome.needs_recovery(),
            // These leave no record behind.
            Self::PreconditionFailed(_) | Self::RevisionExists { .. } | Self::RecordTooLarge { .. } => false,
            _ => true,
        }
    }

    /// The error for a pending `newest` revision. A record of slipway's has no writer any more: the caller holds the
    /// lock.
    pub(super) fn pending(lock: &ReleaseLock, newest: &RevisionSummary) -> Self {
        let (target, revision) = (lock.target().clone(), newest.revision);
        if newest.written_by_slipway {
            return Self::Interrupted { target, revision };
        }
        Self::InProgress { target, revision, status: newest.status.as_str(), age: newest.age(lock.now()) }
    }
}

/// What the automatic rollback of a failed release did.
#[derive(Debug, thiserror::Error)]
pub enum RollbackOutcome {
    /// The release failed before anything was applied.
    #[error("nothing was changed")]
    NothingApplied,
    /// The previous revision runs again; `recorded` is its new revision.
    #[error("rolled back to {to} (as {recorded})")]
    RolledBack { to: Revision, recorded: Revision },
    #[error("the rollback to {to} failed too: {error}")]
    RollbackFailed { to: Revision, error: Box<ReleaseError> },
    /// The pusher asked for [`super::OnFailure::Keep`].
    #[error("its objects were left in place, as requested")]
    LeftInPlace,
    /// There was no previous revision.
    #[error("its objects were removed")]
    ObjectsRemoved,
    #[error("its objects could not all be removed: {0}")]
    RemovalFailed(Box<ReleaseError>),
}

impl RollbackOutcome {
    /// Whether the rollback itself failed.
    pub fn needs_recovery(&self) -> bool {
        matches!(self, Self::RollbackFailed { .. } | Self::RemovalFailed(_))
    }
}

/// The command lists the releases of apps only.
fn releases_hint(target: &Target) -> String {
    let is_app = target.cluster.is_home() && target.is_named_after_namespace();
    if is_app { format!("; `releases {target}` lists its revisions") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_after_a_write_needs_recovery() {
        let target = Target::of_app(&"web".parse().unwrap());
        let lost = || ReleaseError::Lock(LockError::Lost { target: target.clone() });
        assert!(lost().needs_recovery());
        let early = lost().before_any_write();
        assert!(!early.needs_recovery());
        assert!(!ReleaseError::RecordTooLarge { size: 2, limit: 1, largest: String::new() }.needs_recovery());
        assert_eq!(early.to_string(), lost().to_string());
    }
}
