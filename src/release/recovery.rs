//! Recovery of releases that a gateway left pending when it died.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use kube::Client;

use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::{ReleaseError, RollbackOutcome};
use super::history::ReleaseHistory;
use super::lock::{self, AppLock, HolderState, ProcessIdentity};
use super::{auto_rollback, storage};
use crate::domain::{AppName, Progress, Revision};

/// Apps that are checked concurrently.
const CONCURRENT_CHECKS: usize = 8;
/// Limit for the previous revision to become ready again.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(120);
/// Age from which a pending record of helm's counts as abandoned: three times helm's default `--timeout` of five
/// minutes.
const HELM_PENDING_LIMIT: Duration = Duration::from_secs(15 * 60);

/// The state of an app's release after [`recover`].
pub enum RecoveryOutcome {
    /// No revision was pending.
    Clean(Box<ReleaseHistory>),
    /// A pending revision was rolled back, or the attempt failed.
    Recovered(Recovered),
}

#[derive(Debug)]
pub struct Recovered {
    /// The revision that was pending.
    pub revision: Revision,
    pub outcome: RollbackOutcome,
}

/// Returns those of `apps` whose deploy was interrupted: the holder of the Lease is gone, or nobody holds the Lease
/// while a record of slipway's is pending. An app that cannot be checked is logged and left out.
pub async fn find_interrupted(client: &Client, apps: Vec<AppName>, gateway: &ProcessIdentity) -> Vec<AppName> {
    let checks = apps.into_iter().map(|app| async move {
        match is_interrupted(client, &app, gateway).await {
            Ok(interrupted) => interrupted.then_some(app),
            Err(error) => {
                tracing::warn!(%app, %error, "cannot check whether a deploy of the app was interrupted");
                None
            }
        }
    });
    stream::iter(checks).buffer_unordered(CONCURRENT_CHECKS).filter_map(std::future::ready).collect().await
}

async fn is_interrupted(client: &Client, app: &AppName, gateway: &ProcessIdentity) -> Result<bool, ReleaseError> {
    match lock::holder_state(client, app, gateway).await? {
        HolderState::Alive => Ok(false),
        HolderState::Gone => Ok(true),
        HolderState::Unheld => {
            let revisions = storage::list(client, app).await?;
            Ok(revisions.last().is_some_and(|newest| newest.written_by_slipway && newest.status.is_pending()))
        }
    }
}

/// Rolls back a pending revision whose writer is gone. The caller's lock proves that for slipway's records, and the age
/// for helm's. The branch of the interrupted push has not moved, so its revision must not stay.
///
/// # Errors
/// [`ReleaseError::InProgress`] if helm may still be working on the release.
pub async fn recover(client: &Client, lock: &AppLock, progress: &Progress) -> Result<RecoveryOutcome, ReleaseError> {
    let history = ReleaseHistory::read(client, lock.app()).await?;
    let Some(newest) = history.newest().filter(|newest| newest.status.is_pending()) else {
        return Ok(RecoveryOutcome::Clean(Box::new(history)));
    };
    if !newest.written_by_slipway && newest.age(lock.now()) < HELM_PENDING_LIMIT {
        return Err(ReleaseError::pending(lock, newest));
    }
    let revision = newest.revision;
    progress.log(format!("the deploy of {revision} was interrupted; rolling it back")).await;
    let context = ReleaseContext { client, lock, progress, timeout: ROLLBACK_TIMEOUT };
    let discovery = ApiDiscovery::new(client, lock.app());
    let description = "Interrupted: its gateway ended";
    let outcome = auto_rollback::roll_back_failed(&context, discovery, &history, revision, description).await;
    Ok(RecoveryOutcome::Recovered(Recovered { revision, outcome }))
}
