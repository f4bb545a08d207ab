//! Finishing what a gateway that died has left half done.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use kube::Client;

use super::catalog::Catalog;
use super::error::{Aftermath, ReleaseError};
use super::lock::{self, AppLock, Gateway, HeldBy};
use super::past::Past;
use super::perform::Scope;
use super::{history, undo};
use crate::domain::{AppName, Progress, Revision};

/// How many apps are looked at concurrently.
const LOOKS: usize = 8;

/// How long what ran before may take to run again.
const TIMEOUT: Duration = Duration::from_secs(120);
/// A pending record of Helm's that is older was left by a helm that died: three times helm's own time limit.
const HELM: Duration = Duration::from_secs(15 * 60);

/// How an app's release was found.
pub enum Health {
    /// Nothing was pending: what its records say.
    Sound(Box<Past>),
    /// Something was, and was dealt with.
    Healed(Healed),
}

/// What was healed.
#[derive(Debug)]
pub struct Healed {
    /// The revision that was pending.
    pub revision: Revision,
    /// What was done about it.
    pub outcome: Aftermath,
}

/// Those of `apps` that a gateway left behind half deployed: their Lease is a dead gateway's, or nobody's while a release is
/// pending. One that cannot be looked at is logged.
pub async fn interrupted(client: &Client, apps: Vec<AppName>, gateway: &Gateway) -> Vec<AppName> {
    let looks = apps.into_iter().map(|app| async move {
        match is_interrupted(client, &app, gateway).await {
            Ok(interrupted) => interrupted.then_some(app),
            Err(error) => {
                tracing::warn!(%app, %error, "cannot see whether a deploy was interrupted");
                None
            }
        }
    });
    stream::iter(looks).buffer_unordered(LOOKS).filter_map(std::future::ready).collect().await
}

async fn is_interrupted(client: &Client, app: &AppName, gateway: &Gateway) -> Result<bool, ReleaseError> {
    match lock::held_by(client, app, gateway).await? {
        HeldBy::Alive => Ok(false),
        HeldBy::Dead => Ok(true),
        HeldBy::Nobody => {
            let revisions = history::list(client, app).await?;
            Ok(revisions.last().is_some_and(|newest| newest.ours && newest.status.is_pending()))
        }
    }
}

/// Looks for a release that is pending although nobody works on it, which the lock proves for slipway's own. It is
/// undone: the ref of its push has not moved.
///
/// # Errors
/// [`ReleaseError::InProgress`] if somebody's helm is at work; that is left alone.
pub async fn heal(client: &Client, lock: &AppLock, progress: &Progress) -> Result<Health, ReleaseError> {
    let past = Past::read(client, lock.app()).await?;
    let Some(newest) = past.newest().filter(|newest| newest.status.is_pending()) else {
        return Ok(Health::Sound(Box::new(past)));
    };
    if !newest.ours && newest.age(lock.now()) < HELM {
        return Err(ReleaseError::pending(lock, newest));
    }
    let revision = newest.revision;
    progress.line(format!("{revision} was interrupted; undoing it")).await;
    let scope = Scope { client, lock, progress, timeout: TIMEOUT };
    let catalog = Catalog::new(client, lock.app());
    let outcome = undo::undo(&scope, catalog, &past, revision, "Interrupted: its gateway ended").await;
    Ok(Health::Healed(Healed { revision, outcome }))
}
