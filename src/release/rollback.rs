//! Deploys an earlier revision again, as a new revision.

use kube::Client;

use super::apply_mode::ApplyMode;
use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::{PreconditionError, QueryError, ReleaseError};
use super::execute::{NewRevision, OnFailure, Released, execute_release};
use super::history::{ReleaseHistory, StoredRelease};
use super::lock::ReleaseLock;
use super::readiness::PortOrigin;
use super::record::ReleaseStatus;
use super::release_phase::ReleasePhase;
use super::restorable;
use super::rollout_limits::RolloutLimits;
use crate::domain::{Progress, Revision, Target, UserName, labels};

/// The rollback to execute.
#[derive(Debug, Clone)]
pub struct RollbackOptions {
    /// By default the revision that was deployed before the newest one.
    pub to: Option<Revision>,
    pub by: UserName,
    /// Limits for the objects to become ready.
    pub limits: RolloutLimits,
    pub on_failure: OnFailure,
    pub release_phase: ReleasePhase,
}

/// The result of a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    pub released: Released,
    /// The revision that was deployed again.
    pub to: Revision,
    /// Its commit, if slipway deployed that revision.
    pub commit: Option<String>,
}

/// Deploys the objects of an earlier revision again, with its image and configuration, in the steps of an
/// [`super::upgrade`].
///
/// # Errors
/// As [`super::upgrade`]. [`ReleaseError::NotStarted`] has the reason why a revision is no target of a rollback.
pub async fn rollback(
    client: &Client,
    lock: &ReleaseLock,
    request: RollbackOptions,
    progress: &Progress,
) -> Result<RolledBack, ReleaseError> {
    let target = lock.target();
    let history = ReleaseHistory::read(client, target).await?;
    let earlier = find_earlier(client, target, &history, request.to).await?;
    let port_origin = PortOrigin::from_values(&earlier.record.config);
    let (limits, release_phase) = (request.limits, request.release_phase);
    let mode = ApplyMode::Restore;
    let context = ReleaseContext { client, lock, progress, limits, port_origin, mode, release_phase };
    let revision = history.next_revision();
    let (to, commit) = (earlier.revision(), earlier.metadata.annotations.get(labels::COMMIT).cloned());
    progress.start_stage(format!("Rolling back to {to}, as {revision}")).await;

    let mut discovery = ApiDiscovery::new(client, target);
    for object in &earlier.unmanaged {
        progress.log(format!("{object} is left as it is: slipway does not manage it")).await;
    }
    let manifests = restorable::from_record(&context, &mut discovery, &earlier.manifests).await;
    let manifests = manifests.map_err(PreconditionError::from)?;
    let description = format!("Rollback to {to} by {}", request.by);
    let mut metadata = earlier.metadata.clone();
    metadata.annotations.insert(labels::PUSHER.to_owned(), request.by.to_string());
    let mut record = earlier.as_rollback(revision, description.clone(), lock.now());
    record.set_chart_annotation(labels::PUSHER, request.by.as_str());
    let new = NewRevision {
        record,
        metadata,
        manifests,
        action: description.clone(),
        success_description: description,
        on_failure: request.on_failure,
    };
    let released = Box::pin(execute_release(&context, discovery, history, new)).await?;
    Ok(RolledBack { released, to, commit })
}

/// Reads the revision to roll back to. If the newest revision failed and was kept, the default is the deployed revision
/// itself.
async fn find_earlier(
    client: &Client,
    target: &Target,
    history: &ReleaseHistory,
    requested: Option<Revision>,
) -> Result<StoredRelease, PreconditionError> {
    if let (None, Some(unreadable)) = (requested, &history.unreadable) {
        return Ok(unreadable.previous(client, target, &history.revisions).await?);
    }
    let newest = history.newest().map(|newest| newest.revision);
    let current = history.deployed.as_ref().filter(|deployed| Some(deployed.revision()) == newest);
    let revision = match (requested, current, &history.deployed) {
        (None, Some(current), _) => return Ok(current.previous(client, target, &history.revisions).await?),
        (None, None, Some(deployed)) => deployed.revision(),
        (None, None, None) => return Err(QueryError::NotDeployed(target.clone()).into()),
        (Some(requested), Some(current), _) if current.revision() == requested => {
            return Err(PreconditionError::AlreadyDeployed { target: target.clone(), revision: requested });
        }
        (Some(requested), ..) => requested,
    };
    let earlier = StoredRelease::read(client, target, revision).await?;
    match earlier.record.info.status {
        ReleaseStatus::Deployed | ReleaseStatus::Superseded | ReleaseStatus::Uninstalled => Ok(earlier),
        status => {
            Err(PreconditionError::NotRollbackTarget { target: target.clone(), revision, status: status.as_str() })
        }
    }
}
