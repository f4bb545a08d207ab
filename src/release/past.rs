//! What an app's records say was there before.

use kube::Client;

use super::error::ReleaseError;
use super::history::{self, RevisionSummary, Tags};
use super::plan;
use super::record::{Record, Status};
use crate::domain::{AppName, Manifest, Revision};

/// How many records are read for objects that may have been left behind.
const REMEMBERED: usize = 10;

/// What was there before a deploy.
pub(super) struct Past {
    /// All revisions, oldest first.
    pub revisions: Vec<RevisionSummary>,
    /// What serves.
    pub deployed: Option<Standing>,
    /// Every object that the release may have in the cluster: those of what serves, and of what failed after it.
    pub objects: Vec<Manifest>,
}

/// A recorded revision, read as a whole.
pub(super) struct Standing {
    pub record: Record,
    pub tags: Tags,
    pub manifests: Vec<Manifest>,
}

impl Past {
    /// Reads the records.
    pub async fn read(client: &Client, app: &AppName) -> Result<Self, ReleaseError> {
        let revisions = history::list(client, app).await?;
        let deployed = revisions.iter().rev().find(|summary| summary.status == Status::Deployed);
        let deployed = match deployed {
            Some(summary) => Some(Standing::read(client, app, summary.revision).await?),
            None => None,
        };
        let mut objects = deployed.iter().flat_map(|standing| standing.manifests.clone()).collect::<Vec<_>>();
        for summary in later(&revisions, deployed.as_ref().map(Standing::revision)) {
            match Standing::read(client, app, summary.revision).await {
                Ok(standing) => objects.extend(standing.manifests),
                // It cannot say what it left behind; the others still can.
                Err(error @ (ReleaseError::Record { .. } | ReleaseError::Manifest { .. })) => {
                    tracing::warn!(%app, revision = %summary.revision, %error, "a release record cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self { revisions, deployed, objects })
    }

    /// The newest revision.
    pub fn newest(&self) -> Option<&RevisionSummary> {
        self.revisions.last()
    }

    /// The objects of what serves.
    pub fn standing(&self) -> &[Manifest] {
        self.deployed.as_ref().map_or(&[], |standing| &standing.manifests)
    }

    /// The revisions that somebody began to write and did not finish.
    pub fn pending(&self) -> impl Iterator<Item = Revision> {
        let pending = self.revisions.iter().filter(|summary| summary.status.is_pending());
        pending.map(|summary| summary.revision)
    }

    /// The revisions recorded as serving; there may be more than one after a crash.
    pub fn serving(&self) -> impl Iterator<Item = Revision> {
        let deployed = self.revisions.iter().filter(|summary| summary.status == Status::Deployed);
        deployed.map(|summary| summary.revision)
    }
}

impl Standing {
    async fn read(client: &Client, app: &AppName, revision: Revision) -> Result<Self, ReleaseError> {
        let (record, tags) = history::read(client, app, revision).await?;
        let manifests = plan::parse(&record.manifest, revision)?;
        Ok(Self { record, tags, manifests })
    }

    /// Its number.
    pub fn revision(&self) -> Revision {
        self.record.version
    }
}

/// The newest revisions after `serving` that may have objects in the cluster.
fn later(revisions: &[RevisionSummary], serving: Option<Revision>) -> impl Iterator<Item = &RevisionSummary> {
    let after = revisions.iter().rev().take_while(move |summary| Some(summary.revision) > serving);
    after.filter(|summary| summary.status != Status::Uninstalled).take(REMEMBERED)
}
