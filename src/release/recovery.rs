//! Recovery of releases that a gateway left pending when it died.

use futures_util::{StreamExt, stream};
use kube::Client;

use super::apply_mode::ApplyMode;
use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::{PreconditionError, RollbackOutcome, StepError};
use super::history::{ReleaseHistory, StoredRelease};
use super::lock::{self, HolderState, ProcessIdentity, ReleaseLock};
use super::record::ReleaseStatus;
use super::release_phase::ReleasePhase;
use super::revision_summary::{HELM_PENDING_LIMIT, RevisionSummary};
use super::rollout_limits::RolloutLimits;
use super::storage::{self, StatusUpdate};
use super::supersede::mark_superseded;
use super::{apply, auto_rollback, plan, replicas, restorable, roll_out};
use crate::domain::{Progress, Revision, Target, in_span};

/// Releases that are checked concurrently.
const CONCURRENT_CHECKS: usize = 8;

/// The state of a release after [`recover`].
pub enum RecoveryOutcome {
    /// No revision was pending.
    Clean(Box<ReleaseHistory>),
    /// A pending revision was ready, and is deployed now.
    Completed(Revision),
    /// A pending revision was rolled back, or the attempt failed.
    Recovered(Recovered),
}

#[derive(Debug)]
pub struct Recovered {
    /// The revision that was pending.
    pub revision: Revision,
    pub outcome: RollbackOutcome,
}

/// Returns those of `targets` whose deploy was interrupted: the holder of the Lease is gone, or the Lease is free
/// while a record of slipway's is pending. A target that cannot be checked is logged and left out.
pub async fn find_interrupted(client: &Client, targets: Vec<Target>, gateway: &ProcessIdentity) -> Vec<Target> {
    let checks = targets.into_iter().map(|target| async move {
        match is_interrupted(client, &target, gateway).await {
            Ok(interrupted) => interrupted.then_some(target),
            Err(error) => {
                tracing::warn!(app = %target, %error, "cannot check whether a deploy was interrupted");
                None
            }
        }
    });
    stream::iter(checks).buffer_unordered(CONCURRENT_CHECKS).filter_map(std::future::ready).collect().await
}

async fn is_interrupted(client: &Client, target: &Target, gateway: &ProcessIdentity) -> Result<bool, StepError> {
    match lock::holder_state(client, target, gateway).await? {
        HolderState::Alive => Ok(false),
        HolderState::Gone => Ok(true),
        HolderState::Unheld => {
            let revisions = storage::list(client, target).await?;
            Ok(revisions.iter().any(|summary| summary.written_by_slipway && summary.status.is_pending()))
        }
    }
}

/// Ends a pending revision whose writer is gone. The caller's lock proves that for slipway's records, and the age for
/// helm's. A revision whose objects were all ready is completed: the way back could need objects that are retired. Any
/// other is rolled back: the branch of the interrupted push has not moved.
///
/// # Errors
/// [`PreconditionError::InProgress`] if helm may still be working on the release.
pub async fn recover(
    client: &Client,
    lock: &ReleaseLock,
    limits: RolloutLimits,
    progress: &Progress,
) -> Result<RecoveryOutcome, PreconditionError> {
    let history = ReleaseHistory::read(client, lock.target()).await?;
    let mode = ApplyMode::Restore;
    let context =
        ReleaseContext { client, lock, progress, limits, port_origin: None, mode, release_phase: ReleasePhase::Skip };
    let Some(newest) = history.newest().filter(|newest| newest.status.is_pending()) else {
        return recover_unrecorded(&context, history).await;
    };
    if !newest.written_by_slipway && newest.age(lock.now()) < HELM_PENDING_LIMIT {
        return Err(PreconditionError::pending(lock, newest));
    }
    let revision = newest.revision;
    if newest.is_ready && complete(&context, &history, revision).await? {
        return Ok(RecoveryOutcome::Completed(revision));
    }
    progress.log(format!("the deploy of {revision} was interrupted; rolling it back")).await;
    let (discovery, cause) = (ApiDiscovery::new(client, lock.target()), describe_interruption(lock, newest));
    let outcome = auto_rollback::roll_back_failed(&context, discovery, &history, revision, cause).await;
    Ok(RecoveryOutcome::Recovered(Recovered { revision, outcome }))
}

/// The description of an interrupted revision.
fn describe_interruption(lock: &ReleaseLock, interrupted: &RevisionSummary) -> &'static str {
    match interrupted.instance {
        Some(instance) if instance == lock.process().instance => "Interrupted: its deploy lock was lost",
        Some(_) if lock.is_own_after_restart() => "Interrupted: its gateway ended",
        Some(_) => "Interrupted: its gateway ended or lost the deploy lock",
        None => "Interrupted: helm did not end it",
    }
}

/// Completes a pending revision that was ready when its deploy was interrupted; false if it is not ready any more. Its plan
/// is performed again: what is applied already does not change.
async fn complete(
    context: &ReleaseContext<'_>,
    history: &ReleaseHistory,
    revision: Revision,
) -> Result<bool, PreconditionError> {
    let ReleaseContext { client, lock, progress, .. } = *context;
    let release = match StoredRelease::read(client, lock.target(), revision).await {
        Err(error) if error.is_unreadable() => return Ok(false),
        release => release?,
    };
    progress.log(format!("the deploy of {revision} was interrupted when all was ready; completing it")).await;
    match in_span("complete", perform_again(context, history, &release)).await {
        Ok(()) => Ok(true),
        Err(error) if error.is_interruption() => Err(error.into()),
        Err(error) => {
            progress.log(format!("{revision} is not ready any more: {error}")).await;
            Ok(false)
        }
    }
}

async fn perform_again(
    context: &ReleaseContext<'_>,
    history: &ReleaseHistory,
    release: &StoredRelease,
) -> Result<(), StepError> {
    let ReleaseContext { client, lock, .. } = *context;
    let (mut discovery, revision) = (ApiDiscovery::new(client, lock.target()), release.revision());
    let manifests = restorable::from_record(context, &mut discovery, &release.manifests).await?;
    let manifests = replicas::omit_existing_replicas(&mut discovery, manifests).await?;
    let plan = plan::rolling_update(&manifests, history.previous_objects(), ReleasePhase::Skip);
    roll_out::perform(context, &mut discovery, &plan).await.map_err(|failed| failed.cause)?;
    let description = format!("{}; completed after an interruption", release.record.info.description);
    let update = StatusUpdate { revision, status: ReleaseStatus::Deployed, description: Some(&description) };
    storage::update_status_of(client, lock, release.secret.clone(), &update).await?;
    mark_superseded(context, history, revision).await;
    Ok(())
}

/// Recovers a release whose newest record is not pending. If the holder of the lock died, its pending record may have been
/// deleted: then the cluster shows whether the deployed revision runs.
async fn recover_unrecorded(
    context: &ReleaseContext<'_>,
    mut history: ReleaseHistory,
) -> Result<RecoveryOutcome, PreconditionError> {
    let ReleaseContext { client, lock, progress, .. } = *context;
    if let Some(cause) = history.newest_pending().map(|pending| describe_interruption(lock, pending)) {
        auto_rollback::mark_pending_failed(context, &history, cause).await?;
        history = ReleaseHistory::read(client, lock.target()).await?;
    }
    let mut discovery = ApiDiscovery::new(client, lock.target());
    // The objects of a later revision that failed may have been left in place on purpose.
    let is_lost = lock.is_taken_over() && history.undeployed_objects().is_empty();
    let Some(deployed) = history.deployed.as_ref().filter(|_| is_lost) else {
        return Ok(RecoveryOutcome::Clean(Box::new(history)));
    };
    if is_running(context, &mut discovery, deployed).await? {
        return Ok(RecoveryOutcome::Clean(Box::new(history)));
    }
    let (revision, to) = (history.next_revision(), deployed.revision());
    progress.log(format!("a deploy without a record was interrupted; rolling back to {to}")).await;
    let outcome = auto_rollback::roll_back_unrecorded(context, discovery, &history, deployed).await;
    Ok(RecoveryOutcome::Recovered(Recovered { revision, outcome }))
}

/// Whether the objects of the deployed revision are live as it has them.
async fn is_running(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    deployed: &StoredRelease,
) -> Result<bool, PreconditionError> {
    for manifest in restorable::from_record(context, discovery, &deployed.manifests).await? {
        match apply::would_change(discovery, &manifest).await {
            Ok(true) => return Ok(false),
            Err(StepError::Api(error)) if error.status().is_none() => return Err(error.into()),
            // An object that the server refuses now shows nothing.
            Ok(false) | Err(_) => {}
        }
    }
    Ok(true)
}
