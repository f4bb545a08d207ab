//! Finishing what a gateway that died has left half done.

use std::time::Duration;

use kube::Client;

use super::catalog::Catalog;
use super::error::{Aftermath, ReleaseError};
use super::lock::AppLock;
use super::past::Past;
use super::rollback;
use super::upgrade::Scope;
use crate::domain::{Progress, Revision};

/// How long what ran before may take to run again.
const TIMEOUT: Duration = Duration::from_secs(120);
/// A pending record of Helm's that is older was left by a helm that died: three times helm's own time limit.
const HELM: Duration = Duration::from_secs(15 * 60);

/// What was healed.
#[derive(Debug)]
pub struct Healed {
    /// The revision that was pending.
    pub revision: Revision,
    /// What was done about it.
    pub outcome: Aftermath,
}

/// Looks for a release that is pending although nobody works on it, which the lock proves for slipway's own. It is
/// undone: the ref of its push has not moved.
///
/// # Errors
/// [`ReleaseError::InProgress`] if somebody's helm is at work; that is left alone.
pub async fn heal(client: &Client, lock: &AppLock, progress: &Progress) -> Result<Option<Healed>, ReleaseError> {
    let past = Past::read(client, lock.app()).await?;
    let Some(newest) = past.newest().filter(|newest| newest.status.is_pending()) else { return Ok(None) };
    if !newest.ours && newest.age() < HELM {
        return Err(ReleaseError::pending(lock.app(), newest));
    }
    let revision = newest.revision;
    progress.line(format!("{revision} was interrupted; undoing it")).await;
    let scope = Scope { client, lock, progress, timeout: TIMEOUT };
    let catalog = Catalog::new(client, lock.app());
    let outcome = rollback::undo(&scope, catalog, &past, revision, "Interrupted: its gateway ended").await;
    Ok(Some(Healed { revision, outcome }))
}
