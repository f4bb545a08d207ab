//! The bound of an app's history, as Helm's `--history-max`.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use kube::Client;

use super::error::ReleaseError;
use super::history::{self, Kept};
use super::lock::AppLock;
use super::past::standing;
use super::secret::RevisionSummary;
use crate::domain::{AppName, Digest, Revision, labels};

/// Removes the oldest records, so that `keep` are left. What serves and what is pending stays, however old it is.
/// Returns the images that no kept record names any more.
///
/// # Errors
/// [`ReleaseError::Api`], [`ReleaseError::Lock`].
pub async fn trim(client: &Client, lock: &AppLock, keep: NonZeroUsize) -> Result<Vec<Digest>, ReleaseError> {
    let app = lock.app();
    let revisions = history::list(client, app).await?;
    let surplus = surplus(&revisions, keep.get());
    let (gone, kept): (Vec<_>, Vec<_>) = revisions.iter().partition(|summary| surplus.contains(&summary.revision));
    let mut images = BTreeSet::new();
    for summary in &gone {
        images.extend(image(client, app, summary).await?);
    }
    for summary in kept {
        retain_unnamed(client, app, summary, &mut images).await?;
    }
    for summary in &gone {
        history::delete(client, lock, summary.revision).await?;
    }
    Ok(images.into_iter().collect())
}

/// Those of `images` that no record of the app names.
///
/// # Errors
/// [`ReleaseError::Api`].
pub async fn unnamed(
    client: &Client,
    lock: &AppLock,
    mut images: BTreeSet<Digest>,
) -> Result<BTreeSet<Digest>, ReleaseError> {
    for summary in history::list(client, lock.app()).await? {
        retain_unnamed(client, lock.app(), &summary, &mut images).await?;
    }
    Ok(images)
}

/// The image of a revision, if it is known.
pub(super) async fn image(
    client: &Client,
    app: &AppName,
    summary: &RevisionSummary,
) -> Result<Option<Digest>, ReleaseError> {
    if summary.image.is_some() {
        return Ok(summary.image.clone());
    }
    match history::read(client, app, summary.revision).await {
        Ok(kept) => Ok(kept.tags.annotations.get(labels::DIGEST).and_then(|digest| digest.parse().ok())),
        Err(ReleaseError::Record { .. } | ReleaseError::NoSuchRevision { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes the images out that a kept revision runs. Helm's own records do not say it in their metadata, so their
/// manifests are read.
async fn retain_unnamed(
    client: &Client,
    app: &AppName,
    kept: &RevisionSummary,
    images: &mut BTreeSet<Digest>,
) -> Result<(), ReleaseError> {
    if images.is_empty() {
        return Ok(());
    }
    if let Some(image) = &kept.image {
        images.remove(image);
        return Ok(());
    }
    match history::read(client, app, kept.revision).await {
        Ok(Kept { record, .. }) => images.retain(|image| !record.manifest.contains(image.as_str())),
        // What it runs cannot be known, so nothing may go.
        Err(ReleaseError::Record { .. }) => images.clear(),
        Err(ReleaseError::NoSuchRevision { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// The revisions that are one too many, oldest first.
fn surplus(revisions: &[RevisionSummary], keep: usize) -> Vec<Revision> {
    let serving = standing(revisions).map(|summary| summary.revision);
    let may_go = |summary: &&RevisionSummary| Some(summary.revision) != serving && !summary.status.is_pending();
    let oldest_first = revisions.iter().filter(may_go).map(|summary| summary.revision);
    oldest_first.take(revisions.len().saturating_sub(keep)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::record::Status::{self, Deployed, Failed, PendingUpgrade, Superseded};

    #[test]
    fn the_oldest_go_but_never_what_serves_or_is_pending() {
        for (statuses, keep, expected) in [
            (&[Superseded, Superseded, Deployed][..], 3, &[][..]),
            (&[Superseded, Superseded, Deployed], 2, &[1]),
            (&[Deployed, Failed, Failed, Failed], 2, &[2, 3]),
            (&[PendingUpgrade, Superseded, Deployed], 1, &[2]),
            (&[], 1, &[]),
        ] {
            let revisions: Vec<_> = (1..).zip(statuses).map(|(number, status)| summary(number, *status)).collect();
            let gone: Vec<_> = surplus(&revisions, keep).into_iter().map(|revision| revision.0).collect();
            assert_eq!(gone, expected, "{statuses:?} {keep}");
        }
    }

    fn summary(number: u32, status: Status) -> RevisionSummary {
        RevisionSummary { revision: Revision(number), status, ..RevisionSummary::default() }
    }
}
