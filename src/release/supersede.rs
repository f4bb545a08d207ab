//! The end of the revisions before a new one.

use super::context::ReleaseContext;
use super::history::ReleaseHistory;
use super::record::ReleaseStatus;
use super::storage::{self, StatusUpdate};
use crate::domain::Revision;

/// Marks the revisions that were deployed before `by` as superseded. A failure is only logged: Helm and slipway read
/// the newest deployed revision, and the next release marks the others again.
pub(super) async fn mark_superseded(context: &ReleaseContext<'_>, history: &ReleaseHistory, by: Revision) {
    let ReleaseContext { client, lock, .. } = *context;
    for revision in history.deployed_revisions().filter(|revision| *revision != by) {
        let update = StatusUpdate { revision, status: ReleaseStatus::Superseded, description: None };
        let known = history.deployed.as_ref().filter(|deployed| deployed.revision() == revision);
        let updated = match known {
            Some(deployed) => storage::update_status_of(client, lock, deployed.secret.clone(), &update).await,
            None => storage::update_status(client, lock, &update).await,
        };
        if let Err(error) = updated {
            tracing::warn!(app = %lock.target(), %revision, %error, "a revision could not be marked as superseded");
        }
    }
}
