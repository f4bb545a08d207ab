//! Errors before a release begins.

use std::time::Duration;

use super::super::discovery::DiscoveryError;
use super::super::lock::ReleaseLock;
use super::super::record::ReleaseStatus;
use super::super::revision_summary::{HELM_PENDING_LIMIT, RevisionSummary};
use super::query::QueryError;
use super::record::RecordError;
use super::step::StepError;
use crate::domain::{NamespaceName, Revision, Target};
use crate::k8s::ApiError;

/// Why a release was refused. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum PreconditionError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The record of the new revision was not written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A step that was tried in advance would fail.
    #[error(transparent)]
    Step(#[from] StepError),
    /// An object of the chart exists and is not the release's.
    #[error(
        "{object} already exists in namespace {namespace} and does not belong to this app; delete it, or rename yours"
    )]
    OwnedByOther { object: String, namespace: NamespaceName },
    /// The newest record is pending, and helm wrote it.
    #[error(
        "helm is working on {target}: {revision} has been {status} for {} s. Push again when helm has ended. If helm was \
         killed, {}; otherwise slipway takes {revision} for interrupted in {} s, and the next push undoes it",
        age.as_secs(),
        helm_remedy(target, status),
        HELM_PENDING_LIMIT.saturating_sub(*age).as_secs()
    )]
    InProgress { target: Target, revision: Revision, status: &'static str, age: Duration },
    /// The newest record is pending, and slipway wrote it.
    #[error("the deploy of {revision} of {target} was interrupted and has not been rolled back yet; push again")]
    Unrecovered { target: Target, revision: Revision },
    #[error("{revision} of {target} is {status}; only a revision that was deployed can be rolled back to")]
    NotRollbackTarget { target: Target, revision: Revision, status: &'static str },
    #[error("{target} already runs {revision}")]
    AlreadyDeployed { target: Target, revision: Revision },
}

/// The command that ends a release that a killed helm left pending. A first revision cannot be rolled back.
fn helm_remedy(target: &Target, status: &str) -> String {
    let verb = if status == ReleaseStatus::PendingInstall.as_str() { "uninstall" } else { "rollback" };
    format!("end the release with: helm --namespace {} {verb} {}", target.namespace, target.release)
}

impl PreconditionError {
    /// The error for a pending `newest` revision. A record of slipway's has no writer any more: the caller holds the
    /// lock.
    pub(in crate::release) fn pending(lock: &ReleaseLock, newest: &RevisionSummary) -> Self {
        let (target, revision) = (lock.target().clone(), newest.revision);
        if newest.written_by_slipway {
            return Self::Unrecovered { target, revision };
        }
        Self::InProgress { target, revision, status: newest.status.as_str(), age: newest.age(lock.now()) }
    }
}
