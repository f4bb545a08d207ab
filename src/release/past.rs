//! What an app's records say was there before.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;

use super::error::ReleaseError;
use super::history::{self, Kept};
use super::plan;
use super::record::{Record, SERVER_SIDE, Status};
use super::secret::{RevisionSummary, Tags};
use crate::domain::{AppName, Manifest, Revision};

/// How many records are read for objects that may have been left behind.
const REMEMBERED: usize = 10;

/// What was there before a deploy.
pub struct Past {
    /// All revisions, oldest first.
    pub(super) revisions: Vec<RevisionSummary>,
    /// What serves, or was the last that did.
    pub(super) deployed: Option<Standing>,
    /// Every object that the release may have in the cluster: those of what serves, and of what failed after it.
    pub(super) objects: Vec<Manifest>,
    /// Whether any of that was updated on the client's side, as helm 3 does.
    pub(super) has_updates: bool,
}

/// A recorded revision, read as a whole.
pub(super) struct Standing {
    pub record: Record,
    pub tags: Tags,
    /// Where the record is, as it was read.
    pub secret: Secret,
    pub manifests: Vec<Manifest>,
}

impl Past {
    /// Reads the records.
    ///
    /// # Errors
    /// [`ReleaseError::Api`], [`ReleaseError::Record`], [`ReleaseError::Manifest`].
    pub async fn read(client: &Client, app: &AppName) -> Result<Self, ReleaseError> {
        let revisions = history::list(client, app).await?;
        let deployed = match standing(&revisions) {
            Some(summary) => Some(Standing::read(client, app, summary.revision).await?),
            None => None,
        };
        let mut has_updates = deployed.as_ref().is_some_and(Standing::is_updated);
        let mut objects = deployed.iter().flat_map(|standing| standing.manifests.clone()).collect::<Vec<_>>();
        for summary in later(&revisions, deployed.as_ref().map(Standing::revision)) {
            match Standing::read(client, app, summary.revision).await {
                Ok(standing) => {
                    has_updates |= standing.is_updated();
                    objects.extend(standing.manifests);
                }
                // It cannot say what it left behind; the others still can.
                Err(error @ (ReleaseError::Record { .. } | ReleaseError::Manifest { .. })) => {
                    tracing::warn!(%app, revision = %summary.revision, %error, "a release record cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self { revisions, deployed, objects, has_updates })
    }

    /// The number of the next release: one more than the highest, whoever made that.
    pub fn next_revision(&self) -> Revision {
        self.newest().map_or(Revision(1), |newest| newest.revision.next())
    }

    /// The newest revision.
    pub(super) fn newest(&self) -> Option<&RevisionSummary> {
        self.revisions.last()
    }

    /// The objects of what serves.
    pub(super) fn standing(&self) -> &[Manifest] {
        self.deployed.as_ref().map_or(&[], |standing| &standing.manifests)
    }

    /// The revisions that somebody began to write and did not finish.
    pub(super) fn pending(&self) -> impl Iterator<Item = Revision> {
        let pending = self.revisions.iter().filter(|summary| summary.status.is_pending());
        pending.map(|summary| summary.revision)
    }

    /// The revisions recorded as serving; there may be more than one after a crash.
    pub(super) fn serving(&self) -> impl Iterator<Item = Revision> {
        let deployed = self.revisions.iter().filter(|summary| summary.status == Status::Deployed);
        deployed.map(|summary| summary.revision)
    }
}

impl Standing {
    /// Reads a revision.
    pub async fn read(client: &Client, app: &AppName, revision: Revision) -> Result<Self, ReleaseError> {
        let Kept { record, tags, secret } = history::read(client, app, revision).await?;
        let manifests = plan::parse(&record.manifest, revision)?;
        Ok(Self { record, tags, secret, manifests })
    }

    /// Its number.
    pub fn revision(&self) -> Revision {
        self.record.version
    }

    /// Whether its objects were updated on the client's side.
    fn is_updated(&self) -> bool {
        self.record.apply_method.as_deref() != Some(SERVER_SIDE)
    }

    /// A pending record that repeats this one as `revision`.
    pub fn repeated(&self, revision: Revision, description: String, now: Timestamp) -> Record {
        let mut record = self.record.clone();
        record.version = revision;
        record.info.status = Status::PendingRollback;
        record.info.deploy_at(now);
        record.info.description = description;
        // How the repeated one was applied is of no account: this one is on the server's side, as all of slipway's.
        record.apply_method = Some(SERVER_SIDE.to_owned());
        record
    }

    /// What served before this one and was another: a rollback repeats what it goes back to.
    pub async fn before(
        &self,
        client: &Client,
        app: &AppName,
        revisions: &[RevisionSummary],
    ) -> Result<Self, ReleaseError> {
        let revision = self.revision();
        let older = revisions.iter().rev().filter(|summary| summary.revision < revision);
        for summary in older.filter(|summary| summary.status == Status::Superseded) {
            let standing = Self::read(client, app, summary.revision).await?;
            if standing.record.manifest != self.record.manifest {
                return Ok(standing);
            }
        }
        Err(ReleaseError::NothingBefore { app: app.clone(), revision })
    }
}

/// The newest revision that serves. Where none is recorded as doing so, a rollback of Helm's has failed, which marks what
/// ran before as superseded first: the newest of those then, unless the release was uninstalled since.
pub(super) fn standing(revisions: &[RevisionSummary]) -> Option<&RevisionSummary> {
    let newest_first = || revisions.iter().rev();
    let since_uninstalled =
        || newest_first().take_while(|summary| !matches!(summary.status, Status::Uninstalled | Status::Uninstalling));
    let deployed = newest_first().find(|summary| summary.status == Status::Deployed);
    deployed.or_else(|| since_uninstalled().find(|summary| summary.status == Status::Superseded))
}

/// The newest revisions after `serving` that may have objects in the cluster.
fn later(revisions: &[RevisionSummary], serving: Option<Revision>) -> impl Iterator<Item = &RevisionSummary> {
    let after = revisions.iter().rev().take_while(move |summary| Some(summary.revision) > serving);
    after.filter(|summary| summary.status != Status::Uninstalled).take(REMEMBERED)
}

#[cfg(test)]
mod tests {
    use super::super::record;
    use super::Status::{Deployed, Failed, PendingUpgrade, Superseded, Uninstalled, Uninstalling};
    use super::*;

    #[test]
    fn after_a_rollback_of_helms_that_failed_something_still_stands() {
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
            let found = standing(&revisions).map(|summary| summary.revision.0);
            assert_eq!(found, expected, "{statuses:?}");
        }
    }

    #[test]
    fn what_helm_3_applied_is_repeated_on_the_servers_side() {
        let value: String = include_str!("fixtures/helm-3.17.2.b64").split_whitespace().collect();
        let record = record::decode(value.as_bytes()).unwrap();
        let before = record.clone();
        let standing = Standing { record, tags: Tags::default(), secret: Secret::default(), manifests: Vec::new() };
        let repeated = standing.repeated(Revision(7), "again".to_owned(), Timestamp::UNIX_EPOCH);
        assert_eq!((before.apply_method.as_deref(), repeated.apply_method.as_deref()), (None, Some("ssa")));
        assert_eq!((repeated.version, repeated.info.status), (Revision(7), Status::PendingRollback));
        assert_eq!(repeated.manifest, before.manifest);
    }

    fn summary(number: u32, status: Status) -> RevisionSummary {
        RevisionSummary { revision: Revision(number), status, ..RevisionSummary::default() }
    }
}
