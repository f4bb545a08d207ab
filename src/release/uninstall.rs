//! Uninstalls a release.

use std::time::Duration;

use kube::Client;

use super::apply_mode::ApplyMode;
use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::StepError;
use super::history::ReleaseHistory;
use super::lock::ReleaseLock;
use super::release_phase::ReleasePhase;
use super::rollout_limits::RolloutLimits;
use super::{history_limit, roll_out, storage};
use crate::domain::{Digest, Progress};

/// Deletes the objects of the release in the reverse of the install order, then its records. Objects with Helm's keep
/// policy and objects of other owners stay. Returns the images that the records named.
///
/// # Errors
/// The first deletion that failed. All other objects are tried as well; the records then stay. [`StepError::Query`] if the
/// record of the deployed revision cannot be read: its objects are unknown.
pub async fn uninstall(client: &Client, lock: &ReleaseLock, progress: &Progress) -> Result<Vec<Digest>, StepError> {
    let target = lock.target();
    let history = ReleaseHistory::read(client, target).await?;
    if let Some(unreadable) = history.unreadable {
        return Err(unreadable.error.into());
    }
    let mut discovery = ApiDiscovery::new(client, target);
    // A removal waits for no object to become ready.
    let (limits, mode) = (RolloutLimits::new(Duration::ZERO, None), ApplyMode::Restore);
    let context =
        ReleaseContext { client, lock, progress, limits, port_origin: None, mode, release_phase: ReleasePhase::Skip };
    roll_out::remove(&context, &mut discovery, &history.objects).await?;
    for object in &history.unmanaged {
        progress.log(format!("{object} is left alone: slipway does not manage it")).await;
    }
    let mut images = Vec::new();
    for summary in &history.revisions {
        images.extend(history_limit::image_of_revision(client, target, summary).await?);
    }
    for summary in &history.revisions {
        storage::delete(client, lock, summary.revision).await?;
    }
    images.sort();
    images.dedup();
    Ok(images)
}
