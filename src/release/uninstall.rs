//! Taking a release away.

use kube::Client;

use super::catalog::Catalog;
use super::error::ReleaseError;
use super::lock::AppLock;
use super::past::Past;
use super::{apply, history, plan, retention};
use crate::domain::{Digest, Progress};

/// Deletes the objects of an app's release in the reverse of the order in which they were applied, then its records.
/// What says that it must be kept stays, and so does what someone else owns. Returns the images that the records named.
///
/// # Errors
/// The first of what could not be deleted; the rest was tried, but for the records, which then stay.
pub async fn uninstall(client: &Client, lock: &AppLock, progress: &Progress) -> Result<Vec<Digest>, ReleaseError> {
    let app = lock.app();
    let past = Past::read(client, app).await?;
    let mut catalog = Catalog::new(client, app);
    apply::delete(lock, &mut catalog, &plan::prune(&past.objects, &[]), progress).await?;
    let mut images = Vec::new();
    for summary in &past.revisions {
        images.extend(retention::image(client, app, summary).await?);
    }
    for summary in &past.revisions {
        history::delete(client, lock, summary.revision).await?;
    }
    images.sort();
    images.dedup();
    Ok(images)
}
