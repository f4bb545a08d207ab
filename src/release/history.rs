//! A snapshot of a release's history, with the objects that the release may have in the cluster.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;

use super::error::QueryError;
use super::manifest::parse_manifest;
use super::plan::PreviousObjects;
use super::record::{Record, ReleaseStatus, SERVER_SIDE_APPLY};
use super::revision_summary::RevisionSummary;
use super::secret::RecordMetadata;
use super::storage::{self, StoredRecord};
use super::unmanaged::{UnmanagedObject, split_off};
use crate::domain::{Manifest, Revision, Target};

/// Records that are read concurrently.
const CONCURRENT_READS: usize = 8;

/// The release history when it was read.
pub struct ReleaseHistory {
    /// Oldest first.
    pub(super) revisions: Vec<RevisionSummary>,
    /// See [`find_deployed`]. `None` if its record cannot be read.
    pub(super) deployed: Option<StoredRelease>,
    /// The deployed revision, if its record cannot be read: its objects are unknown.
    pub(super) unreadable: Option<UnreadableRelease>,
    /// Every object that the release may have in the cluster: first those of the deployed revision, then those of later
    /// ones that failed.
    pub(super) objects: Vec<Manifest>,
    /// Objects of the deployed revision that slipway leaves alone. Cluster-scoped ones are among `objects`.
    pub(super) unmanaged: Vec<UnmanagedObject>,
    /// Whether any of these revisions was applied on the client side, as by helm 3.
    pub(super) has_client_side_updates: bool,
}

/// A deployed revision whose record someone damaged.
pub(super) struct UnreadableRelease {
    pub revision: Revision,
    pub error: QueryError,
}

/// A revision with its record and its objects.
pub(super) struct StoredRelease {
    pub record: Record,
    pub metadata: RecordMetadata,
    /// The Secret that the record was read from.
    pub secret: Secret,
    pub manifests: Vec<Manifest>,
    /// Objects of the manifest that slipway leaves alone.
    pub unmanaged: Vec<UnmanagedObject>,
}

impl ReleaseHistory {
    /// Reads the records.
    ///
    /// # Errors
    /// [`QueryError::Api`].
    pub async fn read(client: &Client, target: &Target) -> Result<Self, QueryError> {
        let revisions = storage::list(client, target).await?;
        let newest_deployed = find_deployed(&revisions).map(|summary| summary.revision);
        let (deployed, unreadable) = match newest_deployed {
            Some(revision) => read_deployed(client, target, revision).await?,
            None => (None, None),
        };
        let mut has_client_side_updates = deployed.as_ref().is_some_and(StoredRelease::is_applied_client_side);
        let mut objects = deployed.iter().flat_map(|deployed| deployed.manifests.clone()).collect::<Vec<_>>();
        let after = undeployed_after(&revisions, newest_deployed);
        let after: Vec<_> = after.map(|summary| summary.revision).collect();
        let reads = after.into_iter().map(|revision| read_undeployed(client, target, revision));
        let undeployed: Vec<_> = stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
        for undeployed in undeployed.into_iter().flatten() {
            has_client_side_updates |= undeployed.is_applied_client_side();
            objects.extend(undeployed.manifests);
        }
        let unmanaged = deployed.iter().flat_map(|deployed| deployed.unmanaged.clone()).collect();
        Ok(Self { revisions, deployed, unreadable, objects, unmanaged, has_client_side_updates })
    }

    /// The number after the highest revision, also if helm created that.
    pub fn next_revision(&self) -> Revision {
        self.newest().map_or(Revision(1), |newest| newest.revision.next())
    }

    /// Whether no revision is deployed.
    pub(super) fn is_first(&self) -> bool {
        self.deployed.is_none() && self.unreadable.is_none()
    }

    pub(super) fn newest(&self) -> Option<&RevisionSummary> {
        self.revisions.last()
    }

    /// The objects of the deployed revision.
    pub(super) fn deployed_manifests(&self) -> &[Manifest] {
        self.deployed.as_ref().map_or(&[], |deployed| &deployed.manifests)
    }

    /// The objects of the revisions after the deployed one.
    pub(super) fn undeployed_objects(&self) -> &[Manifest] {
        self.objects.get(self.deployed_manifests().len()..).unwrap_or_default()
    }

    pub(super) fn previous_objects(&self) -> PreviousObjects<'_> {
        PreviousObjects { manifests: &self.objects, has_client_side_updates: self.has_client_side_updates }
    }

    pub(super) fn pending_revisions(&self) -> impl Iterator<Item = Revision> {
        let pending = self.revisions.iter().filter(|summary| summary.status.is_pending());
        pending.map(|summary| summary.revision)
    }

    pub(super) fn newest_pending(&self) -> Option<&RevisionSummary> {
        self.revisions.iter().rev().find(|summary| summary.status.is_pending())
    }

    /// The revisions with status deployed; more than one after a crash.
    pub(super) fn deployed_revisions(&self) -> impl Iterator<Item = Revision> {
        let deployed = self.revisions.iter().filter(|summary| summary.status == ReleaseStatus::Deployed);
        deployed.map(|summary| summary.revision)
    }
}

impl StoredRelease {
    /// Reads one revision.
    pub async fn read(client: &Client, target: &Target, revision: Revision) -> Result<Self, QueryError> {
        let StoredRecord { record, metadata, secret } = storage::read(client, target, revision).await?;
        let (manifests, unmanaged) = split_off(parse_manifest(&record.manifest, revision)?, target);
        Ok(Self { record, metadata, secret, manifests, unmanaged })
    }

    pub fn revision(&self) -> Revision {
        self.record.version
    }

    fn is_applied_client_side(&self) -> bool {
        self.record.apply_method.as_deref() != Some(SERVER_SIDE_APPLY)
    }

    /// A pending record that deploys this revision again, as `revision`.
    pub fn as_rollback(&self, revision: Revision, description: String, now: Timestamp) -> Record {
        let mut record = self.record.clone();
        record.version = revision;
        record.info.status = ReleaseStatus::PendingRollback;
        record.info.set_deployed_at(now);
        record.info.description = description;
        // slipway applies on the server side, however this revision was applied.
        record.apply_method = Some(SERVER_SIDE_APPLY.to_owned());
        record
    }

    /// Reads the newest older revision that was deployed and has another manifest. Equal manifests are skipped: a
    /// rollback has the manifest of its target.
    pub async fn previous(
        &self,
        client: &Client,
        target: &Target,
        revisions: &[RevisionSummary],
    ) -> Result<Self, QueryError> {
        let is_other = |candidate: &Self| candidate.record.manifest != self.record.manifest;
        read_superseded(client, target, revisions, self.revision(), is_other).await
    }
}

impl UnreadableRelease {
    /// Reads the newest older revision that was deployed and can be read.
    pub async fn previous(
        &self,
        client: &Client,
        target: &Target,
        revisions: &[RevisionSummary],
    ) -> Result<StoredRelease, QueryError> {
        read_superseded(client, target, revisions, self.revision, |_| true).await
    }
}

/// Reads the newest superseded revision before `before` that `is_wanted`. Those that cannot be read are skipped.
async fn read_superseded(
    client: &Client,
    target: &Target,
    revisions: &[RevisionSummary],
    before: Revision,
    is_wanted: impl Fn(&StoredRelease) -> bool,
) -> Result<StoredRelease, QueryError> {
    let older = revisions.iter().rev().filter(|summary| summary.revision < before);
    for summary in older.filter(|summary| summary.status == ReleaseStatus::Superseded) {
        match StoredRelease::read(client, target, summary.revision).await {
            Ok(candidate) if is_wanted(&candidate) => return Ok(candidate),
            Ok(_) => {}
            Err(error) if error.is_unreadable() => {}
            Err(error) => return Err(error),
        }
    }
    Err(QueryError::NoPreviousRevision { target: target.clone(), revision: before })
}

/// Finds the newest deployed revision. Without one, a rollback of helm's has failed, which first marks the revision
/// before it as superseded: then the newest superseded revision, unless the release was uninstalled since.
pub(super) fn find_deployed(revisions: &[RevisionSummary]) -> Option<&RevisionSummary> {
    let newest_first = || revisions.iter().rev();
    let is_uninstalled = |status| matches!(status, ReleaseStatus::Uninstalled | ReleaseStatus::Uninstalling);
    let since_uninstall = || newest_first().take_while(|summary| !is_uninstalled(summary.status));
    let deployed = newest_first().find(|summary| summary.status == ReleaseStatus::Deployed);
    deployed.or_else(|| since_uninstall().find(|summary| summary.status == ReleaseStatus::Superseded))
}

/// The revisions after `deployed` that may have objects in the cluster, newest first.
fn undeployed_after(
    revisions: &[RevisionSummary],
    deployed: Option<Revision>,
) -> impl Iterator<Item = &RevisionSummary> {
    let after = revisions.iter().rev().take_while(move |summary| Some(summary.revision) > deployed);
    after.filter(|summary| summary.status != ReleaseStatus::Uninstalled)
}

/// The deployed revision, or the reason why its record cannot be read. A damaged record must not prevent the release that
/// replaces it.
async fn read_deployed(
    client: &Client,
    target: &Target,
    revision: Revision,
) -> Result<(Option<StoredRelease>, Option<UnreadableRelease>), QueryError> {
    match StoredRelease::read(client, target, revision).await {
        Ok(deployed) => Ok((Some(deployed), None)),
        Err(error) if error.is_unreadable() => {
            tracing::warn!(app = %target, %revision, %error, "the record of the deployed revision cannot be read");
            Ok((None, Some(UnreadableRelease { revision, error })))
        }
        Err(error) => Err(error),
    }
}

/// `None` if the record cannot be read: then the objects of this revision are unknown, and those of the others can still
/// be pruned.
async fn read_undeployed(
    client: &Client,
    target: &Target,
    revision: Revision,
) -> Result<Option<StoredRelease>, QueryError> {
    match StoredRelease::read(client, target, revision).await {
        Ok(undeployed) => Ok(Some(undeployed)),
        Err(error) if error.is_unreadable() => {
            tracing::warn!(app = %target, %revision, %error, "a release record cannot be read");
            Ok(None)
        }
        // Deleted since it was listed.
        Err(QueryError::NoSuchRevision { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record;
    use super::ReleaseStatus::{Deployed, Failed, PendingUpgrade, Superseded, Uninstalled, Uninstalling};
    use super::*;

    #[test]
    fn the_newest_superseded_revision_counts_after_a_failed_rollback_of_helms() {
        for (statuses, expected) in [
            (&[Superseded, Deployed][..], Some(2)),
            (&[Superseded, Deployed, Failed, Failed], Some(2)),
            (&[Superseded, Superseded, Failed], Some(2)),
            (&[Superseded, Superseded, Failed, PendingUpgrade], Some(2)),
            (&[Superseded, Superseded, Uninstalled], None),
            (&[Superseded, Uninstalling], None),
            (&[Superseded, Uninstalled, Superseded, Failed], Some(3)),
            (&[Failed, PendingUpgrade], None),
            (&[], None),
        ] {
            let revisions: Vec<_> = (1..).zip(statuses).map(|(number, status)| summary(number, *status)).collect();
            let found = find_deployed(&revisions).map(|summary| summary.revision.0);
            assert_eq!(found, expected, "{statuses:?}");
        }
    }

    #[test]
    fn a_rollback_to_a_revision_of_helm_3_is_applied_on_the_server_side() {
        let value: String = include_str!("fixtures/helm-3.17.2.b64").split_whitespace().collect();
        let record = record::decode(value.as_bytes()).unwrap();
        let before = record.clone();
        let release = StoredRelease {
            record,
            metadata: RecordMetadata::default(),
            secret: Secret::default(),
            manifests: Vec::new(),
            unmanaged: Vec::new(),
        };
        let rollback = release.as_rollback(Revision(7), "again".to_owned(), Timestamp::UNIX_EPOCH);
        assert_eq!((before.apply_method.as_deref(), rollback.apply_method.as_deref()), (None, Some("ssa")));
        assert_eq!((rollback.version, rollback.info.status), (Revision(7), ReleaseStatus::PendingRollback));
        assert_eq!(rollback.manifest, before.manifest);
    }

    fn summary(number: u32, status: ReleaseStatus) -> RevisionSummary {
        RevisionSummary { revision: Revision(number), status, ..RevisionSummary::default() }
    }
}
