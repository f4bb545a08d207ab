//! A rollback that somebody asked for: an earlier revision again, as a new one.

use std::time::Duration;

use kube::Client;

use super::catalog::Catalog;
use super::error::ReleaseError;
use super::lock::AppLock;
use super::past::{Past, Standing};
use super::perform::{Draft, OnFailure, Released, Scope, perform};
use super::record::Status;
use crate::domain::{AppName, Progress, Revision, UserName, labels};

/// What is to be rolled back to.
#[derive(Debug, Clone)]
pub struct RollbackRequest {
    /// The revision; by default what served before the newest one.
    pub to: Option<Revision>,
    /// Who asks.
    pub by: UserName,
    /// How long the pods may take to become ready.
    pub timeout: Duration,
    /// What is done if it fails.
    pub on_failure: OnFailure,
}

/// What a rollback came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// What is live now.
    pub released: Released,
    /// The revision that it repeats.
    pub to: Revision,
    /// The commit of that, where slipway deployed it.
    pub commit: Option<String>,
}

/// Deploys an earlier revision again: its objects, with its image and its configuration, as a new revision. It goes live
/// as an [`super::upgrade`] does.
///
/// # Errors
/// As those of an upgrade; and [`ReleaseError::NoSuchRevision`], [`ReleaseError::NothingBefore`],
/// [`ReleaseError::NothingServes`], [`ReleaseError::NeverServed`], [`ReleaseError::ServesAlready`].
pub async fn rollback(
    client: &Client,
    lock: &AppLock,
    request: RollbackRequest,
    progress: &Progress,
) -> Result<RolledBack, ReleaseError> {
    let app = lock.app();
    let scope = Scope { client, lock, progress, timeout: request.timeout };
    let past = Past::read(client, app).await.map_err(ReleaseError::not_begun)?;
    let target = target(client, app, &past, request.to).await.map_err(ReleaseError::not_begun)?;
    let revision = past.next_revision();
    let (to, commit) = (target.revision(), target.tags.annotations.get(labels::COMMIT).cloned());
    progress.stage(format!("Rolling back to {to}, as {revision}")).await;

    let description = format!("Rollback to {to} by {}", request.by);
    let mut tags = target.tags.clone();
    tags.annotations.insert(labels::PUSHER.to_owned(), request.by.to_string());
    let mut record = target.repeated(revision, description.clone(), lock.now());
    record.annotate_chart(labels::PUSHER, request.by.as_str());
    let draft = Draft {
        record,
        tags,
        manifests: target.manifests,
        what: description.clone(),
        success: description,
        on_failure: request.on_failure,
    };
    let released = perform(&scope, Catalog::new(client, app), past, draft).await?;
    Ok(RolledBack { released, to, commit })
}

/// What is gone back to. If the newest revision failed and was kept, that is what still counts as serving.
async fn target(
    client: &Client,
    app: &AppName,
    past: &Past,
    wanted: Option<Revision>,
) -> Result<Standing, ReleaseError> {
    let newest = past.newest().map(|newest| newest.revision);
    let current = past.deployed.as_ref().filter(|serving| Some(serving.revision()) == newest);
    let revision = match (wanted, current, &past.deployed) {
        (None, Some(current), _) => return current.before(client, app, &past.revisions).await,
        (None, None, Some(serving)) => serving.revision(),
        (None, None, None) => return Err(ReleaseError::NothingServes(app.clone())),
        (Some(wanted), Some(current), _) if current.revision() == wanted => {
            return Err(ReleaseError::ServesAlready { app: app.clone(), revision: wanted });
        }
        (Some(wanted), ..) => wanted,
    };
    let standing = Standing::read(client, app, revision).await?;
    match standing.record.info.status {
        Status::Deployed | Status::Superseded | Status::Uninstalled => Ok(standing),
        status => Err(ReleaseError::NeverServed { app: app.clone(), revision, status: status.as_str() }),
    }
}
