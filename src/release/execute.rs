//! Executes a new revision, of an upgrade or of a rollback: records it as pending, rolls it out, and records the
//! result.

use k8s_openapi::api::core::v1::Secret;

use super::apply_mode::ApplyMode;
use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::{PreconditionError, QueryError, RecordError, ReleaseError, RollbackOutcome, StepError};
use super::history::{ReleaseHistory, UnreadableRelease};
use super::lock::ReleaseLock;
use super::ownership_check::check_ownership;
use super::plan::{self, RolloutPhase, RolloutPlan};
use super::record::{Record, ReleaseStatus, failure_description};
use super::revision_summary::RevisionSummary;
use super::roll_out::{self, FailedRollout, Leftover, RolledOut};
use super::secret::RecordMetadata;
use super::service_address::{ServiceAddress, service_address};
use super::storage::{self, StatusUpdate};
use super::supersede::mark_superseded;
use super::{apply, auto_rollback, replicas};
use crate::domain::{Manifest, Revision, in_span};

/// A revision that is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    pub revision: Revision,
    /// `None` for a headless Service, or without one.
    pub service: Option<ServiceAddress>,
}

/// The handling of a release that fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The previous revision is deployed again.
    #[default]
    RollBack,
    /// The objects stay as they are, for debugging.
    Keep,
}

/// A revision that is not recorded yet.
pub(super) struct NewRevision {
    /// Its record, with a pending status.
    pub record: Record,
    pub metadata: RecordMetadata,
    pub manifests: Vec<Manifest>,
    /// Names the operation in the description of a failed revision, such as `Rollback to v1 by alice`.
    pub action: String,
    /// The description once the revision is live.
    pub success_description: String,
    pub on_failure: OnFailure,
}

impl NewRevision {
    fn revision(&self) -> Revision {
        self.record.version
    }
}

/// Records the revision as pending, rolls its objects out, and records the result.
pub(super) async fn execute_release(
    context: &ReleaseContext<'_>,
    mut discovery: ApiDiscovery,
    history: ReleaseHistory,
    mut new: NewRevision,
) -> Result<Released, ReleaseError> {
    let ReleaseContext { client, lock, .. } = *context;
    let revision = new.revision();
    check_preconditions(context, &mut discovery, &history, &new).await?;
    report_unreadable(context, &history).await;
    let manifests = replicas::omit_existing_replicas(&mut discovery, new.manifests).await;
    new.manifests = manifests.map_err(PreconditionError::from)?;
    let record = in_span("record", storage::create(client, lock, &new.record, &new.metadata));
    // Half a release is worse than none, so all objects are tried before any is changed.
    let rehearsal = in_span("rehearse", apply::dry_run_objects(&mut discovery, &new.manifests, context.mode));
    let (record, rehearsed) = tokio::join!(record, rehearsal);
    let mut pending = record.map_err(ReleaseError::unrecorded)?;
    if let Err(error) = rehearsed {
        return Err(record_refusal(context, &new, pending, error).await);
    }
    let plan = match context.mode {
        ApplyMode::Deploy(_) => plan::rolling_update(&new.manifests, history.previous_objects(), context.release_phase),
        ApplyMode::Restore => plan::restoration(&new.manifests, history.previous_objects(), context.release_phase),
    };
    let confirm = async || confirm_ready(context, &plan, revision, &mut pending).await;
    let performed = roll_out::perform_confirmed(context, &mut discovery, &plan, confirm).await;
    let RolledOut { applied, leftovers } = match performed {
        Ok(rolled_out) => rolled_out,
        Err(failed) => return Err(Box::pin(handle_failure(context, discovery, history, new, failed)).await),
    };
    report_unmanaged(context, &history).await;
    let description = describe_success(&new.success_description, &leftovers);
    let update = StatusUpdate { revision, status: ReleaseStatus::Deployed, description: Some(&description) };
    storage::update_status_of(client, lock, pending, &update).await.map_err(ReleaseError::Interrupted)?;
    mark_superseded(context, &history, revision).await;
    let service = service_address(&applied, &lock.target().release, history.is_first());
    Ok(Released { revision, service })
}

/// Checks that the ready revision is the newest, and marks its record if something is left to be retired: a recovery then
/// completes the revision.
async fn confirm_ready(
    context: &ReleaseContext<'_>,
    plan: &RolloutPlan<'_>,
    revision: Revision,
    pending: &mut Secret,
) -> Result<(), StepError> {
    let ReleaseContext { client, lock, .. } = *context;
    if let Some(newer) = newer_revision(context, revision).await? {
        let (by, status) = (newer.revision, newer.status.as_str());
        return Err(StepError::NewerRevision { target: lock.target().clone(), by, status });
    }
    if plan.retire.is_empty() {
        return Ok(());
    }
    storage::mark_ready(client, lock, pending, revision).await
}

/// Reports that the objects of the deployed revision are unknown.
async fn report_unreadable(context: &ReleaseContext<'_>, history: &ReleaseHistory) {
    if let Some(UnreadableRelease { revision, error }) = &history.unreadable {
        let unknown = "its objects are unknown, and those that the new revision does not have stay in the namespace";
        context.progress.log(format!("{error}: {unknown}; {revision} cannot be rolled back to")).await;
    }
}

/// Reports the objects of the revision before which are left alone.
async fn report_unmanaged(context: &ReleaseContext<'_>, history: &ReleaseHistory) {
    for object in &history.unmanaged {
        context.progress.log(format!("{object} is left alone: slipway does not manage it")).await;
    }
}

/// The description of a live revision, with the objects that could not be deleted.
fn describe_success(description: &str, leftovers: &[Leftover]) -> String {
    if leftovers.is_empty() {
        return description.to_owned();
    }
    let objects: Vec<_> = leftovers.iter().map(|leftover| leftover.object.to_string()).collect();
    format!("{description}; not removed: {}", objects.join(", "))
}

/// Checks that no other operation is pending, and that the release owns or may create every object.
async fn check_preconditions(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    history: &ReleaseHistory,
    new: &NewRevision,
) -> Result<(), PreconditionError> {
    check_no_pending(context.lock, history, new.revision())?;
    check_ownership(discovery, &new.manifests, history.deployed_manifests()).await
}

/// Helm's own lock is a pending record, and an existing revision number is another writer's.
fn check_no_pending(lock: &ReleaseLock, history: &ReleaseHistory, revision: Revision) -> Result<(), PreconditionError> {
    match history.newest() {
        Some(newest) if newest.status.is_pending() => Err(PreconditionError::pending(lock, newest)),
        Some(newest) if newest.revision >= revision => {
            Err(RecordError::RevisionExists { target: lock.target().clone(), revision }.into())
        }
        _ => Ok(()),
    }
}

/// Records a revision as failed before anything was applied.
async fn record_refusal(
    context: &ReleaseContext<'_>,
    new: &NewRevision,
    pending: Secret,
    cause: StepError,
) -> ReleaseError {
    let revision = new.revision();
    let description = log_failure(context, new, &cause);
    let update = StatusUpdate { revision, status: ReleaseStatus::Failed, description: Some(&description) };
    match storage::update_status_of(context.client, context.lock, pending, &update).await {
        Ok(()) => {
            let (phase, outcome) = (RolloutPhase::Prepare, RollbackOutcome::NothingApplied);
            ReleaseError::Failed { revision, phase, cause: Box::new(cause), outcome }
        }
        Err(error) => ReleaseError::Interrupted(error),
    }
}

/// Rolls back or records a release that failed during the rollout. Without the lock nothing may be written; the next
/// holder of the lock recovers the release.
async fn handle_failure(
    context: &ReleaseContext<'_>,
    discovery: ApiDiscovery,
    mut history: ReleaseHistory,
    new: NewRevision,
    failed: FailedRollout,
) -> ReleaseError {
    let FailedRollout { phase, cause } = failed;
    if matches!(cause, StepError::Lock(_)) {
        return ReleaseError::Interrupted(cause);
    }
    let description = log_failure(context, &new, &cause);
    let revision = new.revision();
    let left_in_place = match (find_newer(context, &cause, revision).await, new.on_failure) {
        (Some(by), _) => Some(RollbackOutcome::Superseded { by }),
        (None, OnFailure::Keep) => Some(RollbackOutcome::LeftInPlace),
        (None, OnFailure::RollBack) => None,
    };
    let outcome = match left_in_place {
        None => {
            history.objects.extend(new.manifests);
            auto_rollback::roll_back_failed(context, discovery, &history, revision, &description).await
        }
        Some(outcome) => {
            let update = StatusUpdate { revision, status: ReleaseStatus::Failed, description: Some(&description) };
            match storage::update_status(context.client, context.lock, &update).await {
                Ok(()) => outcome,
                Err(error) => return ReleaseError::Interrupted(error),
            }
        }
    };
    ReleaseError::Failed { revision, phase, cause: Box::new(cause), outcome }
}

/// The revision that another client, such as `helm rollback`, recorded during the rollout of `this`. Its objects are in the
/// cluster now, even if they look like those of `this`.
async fn newer_revision(context: &ReleaseContext<'_>, this: Revision) -> Result<Option<RevisionSummary>, QueryError> {
    let mut revisions = storage::list(context.client, context.lock.target()).await?;
    Ok(revisions.pop().filter(|newest| newest.revision > this))
}

/// The newer revision, if there is one: its objects must not be undone with those of `failed`.
async fn find_newer(context: &ReleaseContext<'_>, cause: &StepError, failed: Revision) -> Option<Revision> {
    if let StepError::NewerRevision { by, .. } = cause {
        return Some(*by);
    }
    let newer = newer_revision(context, failed).await.unwrap_or_else(|error| {
        tracing::warn!(app = %context.lock.target(), %error, "cannot check for a newer revision");
        None
    });
    newer.map(|newer| newer.revision)
}

/// Logs the failure, and returns the description for the record.
fn log_failure(context: &ReleaseContext<'_>, new: &NewRevision, error: &StepError) -> String {
    tracing::warn!(app = %context.lock.target(), revision = %new.revision(), %error, "a release failed");
    failure_description(&new.action, error)
}
