//! Deploys an earlier revision again, as a new revision.

use std::time::Duration;

use kube::Client;

use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::ReleaseError;
use super::execute::{NewRevision, OnFailure, Released, execute_release};
use super::history::{ReleaseHistory, StoredRelease};
use super::lock::AppLock;
use super::record::ReleaseStatus;
use crate::domain::{AppName, Progress, Revision, UserName, labels};

/// The rollback to execute.
#[derive(Debug, Clone)]
pub struct RollbackRequest {
    /// By default the revision that was deployed before the newest one.
    pub to: Option<Revision>,
    pub by: UserName,
    /// Limit for the objects to become ready.
    pub timeout: Duration,
    pub on_failure: OnFailure,
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
/// As [`super::upgrade`]; and [`ReleaseError::NoSuchRevision`], [`ReleaseError::NoPreviousRevision`],
/// [`ReleaseError::NotDeployed`], [`ReleaseError::NotRollbackTarget`], [`ReleaseError::AlreadyDeployed`].
pub async fn rollback(
    client: &Client,
    lock: &AppLock,
    request: RollbackRequest,
    progress: &Progress,
) -> Result<RolledBack, ReleaseError> {
    let app = lock.app();
    let context = ReleaseContext { client, lock, progress, timeout: request.timeout };
    let history = ReleaseHistory::read(client, app).await.map_err(ReleaseError::before_any_write)?;
    let target = find_target(client, app, &history, request.to).await.map_err(ReleaseError::before_any_write)?;
    let revision = history.next_revision();
    let (to, commit) = (target.revision(), target.metadata.annotations.get(labels::COMMIT).cloned());
    progress.start_stage(format!("Rolling back to {to}, as {revision}")).await;

    let description = format!("Rollback to {to} by {}", request.by);
    let mut metadata = target.metadata.clone();
    metadata.annotations.insert(labels::PUSHER.to_owned(), request.by.to_string());
    let mut record = target.as_rollback(revision, description.clone(), lock.now());
    record.set_chart_annotation(labels::PUSHER, request.by.as_str());
    let new = NewRevision {
        record,
        metadata,
        manifests: target.manifests,
        action: description.clone(),
        success_description: description,
        on_failure: request.on_failure,
    };
    let released = execute_release(&context, ApiDiscovery::new(client, app), history, new).await?;
    Ok(RolledBack { released, to, commit })
}

/// Reads the revision to roll back to. If the newest revision failed and was kept, the default is the deployed revision
/// itself.
async fn find_target(
    client: &Client,
    app: &AppName,
    history: &ReleaseHistory,
    requested: Option<Revision>,
) -> Result<StoredRelease, ReleaseError> {
    let newest = history.newest().map(|newest| newest.revision);
    let current = history.deployed.as_ref().filter(|deployed| Some(deployed.revision()) == newest);
    let revision = match (requested, current, &history.deployed) {
        (None, Some(current), _) => return current.previous(client, app, &history.revisions).await,
        (None, None, Some(deployed)) => deployed.revision(),
        (None, None, None) => return Err(ReleaseError::NotDeployed(app.clone())),
        (Some(requested), Some(current), _) if current.revision() == requested => {
            return Err(ReleaseError::AlreadyDeployed { app: app.clone(), revision: requested });
        }
        (Some(requested), ..) => requested,
    };
    let target = StoredRelease::read(client, app, revision).await?;
    match target.record.info.status {
        ReleaseStatus::Deployed | ReleaseStatus::Superseded | ReleaseStatus::Uninstalled => Ok(target),
        status => Err(ReleaseError::NotRollbackTarget { app: app.clone(), revision, status: status.as_str() }),
    }
}
