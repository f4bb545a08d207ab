//! Undoes a failed or interrupted revision: deploys the previous revision again as a new one or, after a failed first
//! release, removes its objects.

use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::{RollbackOutcome, StepError};
use super::history::{ReleaseHistory, StoredRelease};
use super::record::{ReleaseStatus, failure_description};
use super::storage::{self, StatusUpdate};
use super::supersede::mark_superseded;
use super::{plan, replicas, roll_out};
use crate::domain::{Revision, in_span};

/// Undoes the pending revision `failed`, whose objects are in `history`. Its record receives `description`.
pub(super) async fn roll_back_failed(
    context: &ReleaseContext<'_>,
    mut discovery: ApiDiscovery,
    history: &ReleaseHistory,
    failed: Revision,
    description: &str,
) -> RollbackOutcome {
    let Some(previous) = &history.deployed else {
        return match in_span("undo", remove_objects(context, &mut discovery, history, failed, description)).await {
            Ok(()) => RollbackOutcome::ObjectsRemoved,
            Err(error) => RollbackOutcome::RemovalFailed(Box::new(log_error(context, failed, error))),
        };
    };
    let to = previous.revision();
    context.progress.start_stage(format!("Rolling back to {to}")).await;
    let redeployed = redeploy_previous(context, &mut discovery, history, previous, failed, description);
    match in_span("undo", redeployed).await {
        Ok(recorded) => RollbackOutcome::RolledBack { to, recorded },
        Err(error) => RollbackOutcome::RollbackFailed { to, error: Box::new(log_error(context, failed, error)) },
    }
}

/// Deploys `previous` again as the revision after `failed`. Its record is created before the record of `failed` leaves
/// the pending state: one of the two is pending at every moment, so that a gateway which dies here is recovered from.
async fn redeploy_previous(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    history: &ReleaseHistory,
    previous: &StoredRelease,
    failed: Revision,
    description: &str,
) -> Result<Revision, StepError> {
    let ReleaseContext { client, lock, .. } = *context;
    let record = previous.as_rollback(failed.next(), format!("Rollback to {}", previous.revision()), lock.now());
    let revision = record.version;
    let pending = storage::create(client, lock, &record, &previous.metadata).await?;
    mark_failed(context, history, failed, description).await?;
    match reapply(context, discovery, history, previous).await {
        Ok(()) => {
            let update = StatusUpdate { revision, status: ReleaseStatus::Deployed, description: None };
            storage::update_status_of(client, lock, pending, &update).await?;
            mark_superseded(context, history, revision).await;
            Ok(revision)
        }
        Err(error) => {
            let description = failure_description(&record.info.description, &error);
            let update = StatusUpdate { revision, status: ReleaseStatus::Failed, description: Some(&description) };
            storage::update_status_of(client, lock, pending, &update).await?;
            Err(error)
        }
    }
}

async fn reapply(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    history: &ReleaseHistory,
    previous: &StoredRelease,
) -> Result<(), StepError> {
    let manifests = replicas::omit_existing_replicas(discovery, previous.manifests.clone()).await?;
    let plan = plan::rolling_update(&manifests, history.previous_objects());
    roll_out::perform(context, discovery, &plan).await.map(drop).map_err(|failed| failed.cause)
}

/// Removes the objects of a first release. The record stays and is updated last; the namespace stays as well.
async fn remove_objects(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    history: &ReleaseHistory,
    failed: Revision,
    description: &str,
) -> Result<(), StepError> {
    let removed = roll_out::perform(context, discovery, &plan::removal(&history.objects)).await;
    mark_failed(context, history, failed, description).await?;
    removed.map(drop).map_err(|failed| failed.cause)
}

/// Marks `failed` as failed, and before it any revision that an earlier crash left pending.
async fn mark_failed(
    context: &ReleaseContext<'_>,
    history: &ReleaseHistory,
    failed: Revision,
    description: &str,
) -> Result<(), StepError> {
    for revision in history.pending_revisions().filter(|revision| *revision != failed).chain([failed]) {
        let update = StatusUpdate { revision, status: ReleaseStatus::Failed, description: Some(description) };
        storage::update_status(context.client, context.lock, &update).await?;
    }
    Ok(())
}

fn log_error(context: &ReleaseContext<'_>, failed: Revision, error: StepError) -> StepError {
    let target = context.lock.target();
    tracing::error!(app = %target, %failed, %error, cause = ?error, "a failed release could not be rolled back");
    error
}
