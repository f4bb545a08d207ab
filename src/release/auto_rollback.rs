//! Undoes a failed or interrupted revision: deploys the previous revision again as a new one or, after a failed first
//! release, removes its objects.
//!
//! The record of the undone revision stays pending until the previous objects are back, so that a gateway which dies
//! before is recovered from. The new record follows them and is never pending: a quota may refuse it, and the objects are
//! back without it.

use super::apply_mode::ApplyMode;
use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::{RollbackOutcome, StepError};
use super::history::{ReleaseHistory, StoredRelease};
use super::plan::PreviousObjects;
use super::record::{ReleaseStatus, failure_description};
use super::release_phase::ReleasePhase;
use super::storage::{self, StatusUpdate};
use super::supersede::mark_superseded;
use super::{plan, replicas, restorable, roll_out};
use crate::domain::{Revision, in_span};

/// Undoes the pending revision `failed`, whose objects are in `history`. Its record receives `description`.
pub(super) async fn roll_back_failed(
    context: &ReleaseContext<'_>,
    mut discovery: ApiDiscovery,
    history: &ReleaseHistory,
    failed: Revision,
    description: &str,
) -> RollbackOutcome {
    let context = &ReleaseContext { mode: ApplyMode::Restore, ..*context };
    if let Some(unreadable) = &history.unreadable {
        return leave_in_place(context, history, failed, description, unreadable.revision).await;
    }
    let Some(previous) = &history.deployed else {
        return match in_span("undo", remove_objects(context, &mut discovery, history, failed, description)).await {
            Ok(()) => RollbackOutcome::ObjectsRemoved,
            Err(error) => RollbackOutcome::RemovalFailed(Box::new(log_error(context, failed, error))),
        };
    };
    let to = previous.revision();
    match in_span("undo", redeploy_previous(context, &mut discovery, history, previous, failed, description)).await {
        Ok(recorded) => RollbackOutcome::RolledBack { to, recorded },
        Err(error) => RollbackOutcome::RollbackFailed { to, error: Box::new(log_error(context, failed, error)) },
    }
}

/// Ends `failed` after a revision whose objects are unknown: some of those may be among the objects of `failed`, and none
/// can be brought back. The old pods go on where the new ones are not ready.
async fn leave_in_place(
    context: &ReleaseContext<'_>,
    history: &ReleaseHistory,
    failed: Revision,
    description: &str,
    deployed: Revision,
) -> RollbackOutcome {
    match mark_failed(context, history, failed, description).await {
        Ok(()) => RollbackOutcome::NotRestorable { deployed },
        Err(error) => {
            RollbackOutcome::RollbackFailed { to: deployed, error: Box::new(log_error(context, failed, error)) }
        }
    }
}

/// Deploys `previous` again, and returns its new revision; `None` if that could not be recorded.
async fn redeploy_previous(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    history: &ReleaseHistory,
    previous: &StoredRelease,
    failed: Revision,
    description: &str,
) -> Result<Option<Revision>, StepError> {
    match reapply(context, discovery, history, previous).await {
        Ok(()) => {
            let recorded = record_redeployed(context, previous, failed.next()).await;
            mark_failed(context, history, failed, description).await?;
            if let Some(revision) = recorded {
                mark_superseded(context, history, revision).await;
            }
            Ok(recorded)
        }
        // Nothing may be written without the lock: the record stays pending, for the next holder.
        Err(error @ StepError::Lock(_)) => Err(error),
        Err(error) => {
            let undo = failure_description(&format!("the rollback to {}", previous.revision()), &error);
            mark_failed(context, history, failed, &format!("{description}; {undo}")).await?;
            Err(error)
        }
    }
}

/// Brings the objects of the deployed revision back after the record of the revision that changed them was lost.
pub(super) async fn roll_back_unrecorded(
    context: &ReleaseContext<'_>,
    mut discovery: ApiDiscovery,
    history: &ReleaseHistory,
    previous: &StoredRelease,
) -> RollbackOutcome {
    let context = &ReleaseContext { mode: ApplyMode::Restore, ..*context };
    let to = previous.revision();
    match in_span("undo", reapply(context, &mut discovery, history, previous)).await {
        Ok(()) => RollbackOutcome::RolledBack { to, recorded: None },
        Err(error) => {
            let lost = history.next_revision();
            RollbackOutcome::RollbackFailed { to, error: Box::new(log_error(context, lost, error)) }
        }
    }
}

async fn reapply(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    history: &ReleaseHistory,
    previous: &StoredRelease,
) -> Result<(), StepError> {
    context.progress.start_stage(format!("Rolling back to {}", previous.revision())).await;
    let failed = history.undeployed_objects();
    let restorable = restorable::after_failure(context, discovery, &previous.manifests, failed).await?;
    let retired = history.objects.iter().filter(|object| !restorable.is_replaced_by(object)).cloned();
    let retired: Vec<_> = retired.collect();
    let manifests = replicas::omit_existing_replicas(discovery, restorable.manifests).await?;
    let previous_objects = PreviousObjects { manifests: &retired, ..history.previous_objects() };
    // Its release phase has run when the revision was deployed.
    let plan = plan::restoration(&manifests, previous_objects, ReleasePhase::Skip);
    roll_out::perform(context, discovery, &plan).await.map(drop).map_err(|failed| failed.cause)
}

/// Records `previous` as deployed again; `None` if that is refused: then it stays the deployed revision itself.
async fn record_redeployed(
    context: &ReleaseContext<'_>,
    previous: &StoredRelease,
    revision: Revision,
) -> Option<Revision> {
    let ReleaseContext { client, lock, progress, .. } = *context;
    let to = previous.revision();
    let mut record = previous.as_rollback(revision, format!("Rollback to {to}"), lock.now());
    record.info.status = ReleaseStatus::Deployed;
    match storage::create(client, lock, &record, &previous.metadata).await {
        Ok(_) => Some(revision),
        Err(error) => {
            tracing::warn!(app = %lock.target(), %revision, %error, cause = ?error, "an automatic rollback was not recorded");
            progress.log(format!("{to} runs again; its rollback could not be recorded as {revision}: {error}")).await;
            None
        }
    }
}

/// Removes the objects of a first release. The record stays and is updated last; the namespace stays as well.
async fn remove_objects(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    history: &ReleaseHistory,
    failed: Revision,
    description: &str,
) -> Result<(), StepError> {
    let removed = roll_out::remove(context, discovery, &history.objects).await;
    mark_failed(context, history, failed, description).await?;
    removed
}

/// Marks `failed` as failed, and before it any revision that an earlier crash left pending. A record that is gone needs
/// no mark.
async fn mark_failed(
    context: &ReleaseContext<'_>,
    history: &ReleaseHistory,
    failed: Revision,
    description: &str,
) -> Result<(), StepError> {
    for revision in history.pending_revisions().filter(|revision| *revision != failed).chain([failed]) {
        let update = StatusUpdate { revision, status: ReleaseStatus::Failed, description: Some(description) };
        match storage::update_status(context.client, context.lock, &update).await {
            Err(StepError::Api(error)) if error.is_not_found() => {}
            result => result?,
        }
    }
    Ok(())
}

/// Marks the revisions that a crash left pending below a newer one.
pub(super) async fn mark_pending_failed(
    context: &ReleaseContext<'_>,
    history: &ReleaseHistory,
    description: &str,
) -> Result<(), StepError> {
    match history.pending_revisions().last() {
        Some(newest) => mark_failed(context, history, newest, description).await,
        None => Ok(()),
    }
}

fn log_error(context: &ReleaseContext<'_>, failed: Revision, error: StepError) -> StepError {
    let target = context.lock.target();
    tracing::error!(app = %target, %failed, %error, cause = ?error, "a failed release could not be rolled back");
    error
}
