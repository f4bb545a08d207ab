//! Errors of whole releases.

use super::super::plan::RolloutPhase;
use super::precondition::PreconditionError;
use super::query::QueryError;
use super::step::StepError;
use crate::domain::Revision;

/// Why a revision is not live, and what is left of it.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Nothing was written.
    #[error(transparent)]
    NotStarted(#[from] PreconditionError),
    /// The lock or the API server was lost on the way. A pending record may be left, which [`super::super::recover`]
    /// finds.
    #[error(transparent)]
    Interrupted(StepError),
    /// The revision is recorded as failed.
    #[error("{revision} failed: {cause}; {outcome}")]
    Failed {
        revision: Revision,
        /// The phase of the rollout in which the error occurred.
        phase: RolloutPhase,
        #[source]
        cause: Box<StepError>,
        outcome: RollbackOutcome,
    },
}

impl From<QueryError> for ReleaseError {
    fn from(error: QueryError) -> Self {
        Self::NotStarted(error.into())
    }
}

impl ReleaseError {
    /// The error of a record that could not be created.
    pub(in crate::release) fn unrecorded(error: StepError) -> Self {
        match error {
            StepError::Record(error) => Self::NotStarted(error.into()),
            // The response may have been lost, and the record is there.
            error => Self::Interrupted(error),
        }
    }

    /// Whether a pending record may be left, which [`super::super::recover`] has to roll back.
    pub fn needs_recovery(&self) -> bool {
        match self {
            Self::NotStarted(_) => false,
            Self::Interrupted(_) => true,
            Self::Failed { outcome, .. } => outcome.needs_recovery(),
        }
    }
}

/// The result of the automatic rollback of a failed release.
#[derive(Debug, thiserror::Error)]
pub enum RollbackOutcome {
    /// The release failed before anything was applied.
    #[error("nothing was changed")]
    NothingApplied,
    /// The previous revision runs again; `recorded` is its new revision, if that could be recorded.
    #[error("rolled back to {to}{}", recorded.map(|revision| format!(" (as {revision})")).unwrap_or_default())]
    RolledBack { to: Revision, recorded: Option<Revision> },
    #[error("the rollback to {to} failed too: {error}")]
    RollbackFailed { to: Revision, error: Box<StepError> },
    /// Another client recorded a newer revision during the rollout.
    #[error("{by}, which was recorded meanwhile, was left in place")]
    Superseded { by: Revision },
    /// The record of the revision before is damaged.
    #[error(
        "its objects were left in place, because the record of {deployed} cannot be read: push a commit that works"
    )]
    NotRestorable { deployed: Revision },
    /// The pusher asked for [`super::super::OnFailure::Keep`].
    #[error("its objects were left in place, as requested")]
    LeftInPlace,
    /// There was no previous revision.
    #[error("its objects were removed")]
    ObjectsRemoved,
    #[error("its objects could not all be removed: {0}")]
    RemovalFailed(Box<StepError>),
}

impl RollbackOutcome {
    /// Whether nothing of the failed release is left in the cluster.
    pub fn is_undone(&self) -> bool {
        matches!(self, Self::NothingApplied | Self::RolledBack { .. } | Self::ObjectsRemoved)
    }

    /// Whether the rollback itself failed.
    pub fn needs_recovery(&self) -> bool {
        matches!(self, Self::RollbackFailed { .. } | Self::RemovalFailed(_))
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::RecordError;
    use super::*;
    use crate::domain::Target;
    use crate::release::lock::{LockError, LossCause};

    fn lost() -> StepError {
        LockError::Lost { target: Target::of_app(&"web".parse().unwrap()), cause: LossCause::NotRenewed }.into()
    }

    fn failed(outcome: RollbackOutcome) -> ReleaseError {
        ReleaseError::Failed { revision: Revision(2), phase: RolloutPhase::Check, cause: Box::new(lost()), outcome }
    }

    #[test]
    fn only_an_error_after_a_write_needs_recovery() {
        let too_large = || RecordError::TooLarge { size: 2, limit: 1, largest: String::new() };
        assert!(!ReleaseError::NotStarted(lost().into()).needs_recovery());
        assert!(!ReleaseError::unrecorded(too_large().into()).needs_recovery());
        assert!(ReleaseError::unrecorded(lost()).needs_recovery());
        assert!(ReleaseError::Interrupted(too_large().into()).needs_recovery());
        assert!(!failed(RollbackOutcome::ObjectsRemoved).needs_recovery());
        assert!(failed(RollbackOutcome::RemovalFailed(Box::new(lost()))).needs_recovery());
    }

    #[test]
    fn the_message_is_that_of_the_cause_until_the_release_begins() {
        assert_eq!(ReleaseError::NotStarted(lost().into()).to_string(), lost().to_string());
        let outcome = RollbackOutcome::RolledBack { to: Revision(1), recorded: Some(Revision(3)) };
        assert_eq!(failed(outcome).to_string(), format!("v2 failed: {}; rolled back to v1 (as v3)", lost()));
    }
}
