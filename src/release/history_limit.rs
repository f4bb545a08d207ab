//! The limit of a release's history, as Helm's `--history-max`, and the images that fall out of the history.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use kube::Client;

use super::error::{QueryError, StepError};
use super::history::find_deployed;
use super::lock::ReleaseLock;
use super::revision_summary::RevisionSummary;
use super::storage::{self, StoredRecord};
use crate::domain::{Digest, Revision, Target, labels};

/// Deletes the oldest records until `keep` are left. The deployed revision and pending ones stay, however old they are.
/// Returns the images that no remaining record references.
///
/// # Errors
/// [`StepError::Query`], [`StepError::Api`], [`StepError::Lock`].
pub async fn trim_history(client: &Client, lock: &ReleaseLock, keep: NonZeroUsize) -> Result<Vec<Digest>, StepError> {
    let target = lock.target();
    let revisions = storage::list(client, target).await?;
    let surplus = surplus_revisions(&revisions, keep.get());
    let (removed, kept): (Vec<_>, Vec<_>) = revisions.iter().partition(|summary| surplus.contains(&summary.revision));
    let mut images = BTreeSet::new();
    for summary in &removed {
        images.extend(image_of_revision(client, target, summary).await?);
    }
    for summary in kept {
        retain_unreferenced(client, target, summary, &mut images).await?;
    }
    for summary in &removed {
        storage::delete(client, lock, summary.revision).await?;
    }
    Ok(images.into_iter().collect())
}

/// Returns those of `images` that no record of the release references.
///
/// # Errors
/// [`QueryError::Api`].
pub async fn unreferenced_images(
    client: &Client,
    lock: &ReleaseLock,
    mut images: BTreeSet<Digest>,
) -> Result<BTreeSet<Digest>, QueryError> {
    for summary in storage::list(client, lock.target()).await? {
        retain_unreferenced(client, lock.target(), &summary, &mut images).await?;
    }
    Ok(images)
}

/// The image of a revision, from the Secret's metadata or the record.
pub(super) async fn image_of_revision(
    client: &Client,
    target: &Target,
    summary: &RevisionSummary,
) -> Result<Option<Digest>, QueryError> {
    if summary.image.is_some() {
        return Ok(summary.image.clone());
    }
    match storage::read(client, target, summary.revision).await {
        Ok(stored) => Ok(stored.metadata.annotations.get(labels::IMAGE_DIGEST).and_then(|digest| digest.parse().ok())),
        Err(QueryError::UnreadableRecord { .. } | QueryError::NoSuchRevision { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes from `images` those that the revision `kept` references. The metadata of helm's records names no image, so
/// their manifests are searched.
async fn retain_unreferenced(
    client: &Client,
    target: &Target,
    kept: &RevisionSummary,
    images: &mut BTreeSet<Digest>,
) -> Result<(), QueryError> {
    if images.is_empty() {
        return Ok(());
    }
    if let Some(image) = &kept.image {
        images.remove(image);
        return Ok(());
    }
    match storage::read(client, target, kept.revision).await {
        Ok(StoredRecord { record, .. }) => images.retain(|image| !record.manifest.contains(image.as_str())),
        // An unreadable revision may reference any image.
        Err(QueryError::UnreadableRecord { .. }) => images.clear(),
        Err(QueryError::NoSuchRevision { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// The revisions beyond the limit, oldest first.
fn surplus_revisions(revisions: &[RevisionSummary], keep: usize) -> Vec<Revision> {
    let deployed = find_deployed(revisions).map(|summary| summary.revision);
    let is_removable = |summary: &&RevisionSummary| Some(summary.revision) != deployed && !summary.status.is_pending();
    let oldest_first = revisions.iter().filter(is_removable).map(|summary| summary.revision);
    oldest_first.take(revisions.len().saturating_sub(keep)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::record::ReleaseStatus::{self, Deployed, Failed, PendingUpgrade, Superseded};

    #[test]
    fn the_oldest_revisions_are_removed_but_never_deployed_or_pending_ones() {
        for (statuses, keep, expected) in [
            (&[Superseded, Superseded, Deployed][..], 3, &[][..]),
            (&[Superseded, Superseded, Deployed], 2, &[1]),
            (&[Deployed, Failed, Failed, Failed], 2, &[2, 3]),
            (&[PendingUpgrade, Superseded, Deployed], 1, &[2]),
            (&[], 1, &[]),
        ] {
            let revisions: Vec<_> = (1..).zip(statuses).map(|(number, status)| summary(number, *status)).collect();
            let removed: Vec<_> = surplus_revisions(&revisions, keep).into_iter().map(|revision| revision.0).collect();
            assert_eq!(removed, expected, "{statuses:?} {keep}");
        }
    }

    fn summary(number: u32, status: ReleaseStatus) -> RevisionSummary {
        RevisionSummary { revision: Revision(number), status, ..RevisionSummary::default() }
    }
}
