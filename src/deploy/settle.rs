//! After git has ended: did the ref move?

use std::convert::Infallible;
use std::path::Path;

use crate::domain::{BranchName, Revision, traced};
use crate::git;
use crate::release;
use crate::release::lock::AppLock;

use super::{Deployed, Deployer};

impl Deployer {
    /// Looks whether git moved the ref to what was deployed, points HEAD at the deploy branch, and
    /// frees the image's place in the Engine and the app's lock.
    ///
    /// Nothing here can fail the push any more: git has answered its client. What went wrong is
    /// logged, and kept with the release; the next push to the branch heals it.
    pub async fn settle(&self, deployed: Deployed, repository: &Path) {
        let trace = deployed.trace.clone();
        let settling = async {
            self.settled(deployed, repository).await;
            Ok::<_, Infallible>(())
        };
        let Ok(()) = trace.follow(traced("settle", settling)).await;
    }

    async fn settled(&self, deployed: Deployed, repository: &Path) {
        let Deployed { lock, local, branch, commit, revision, trace: _ } = deployed;
        let moved = match git::ref_value(repository, &branch.to_ref()).await {
            Ok(now) => now.as_ref() == Some(&commit),
            Err(error) => {
                tracing::error!(%revision, %branch, %commit, error = crate::telemetry::chain(&error), "cannot read the deployed branch");
                false
            }
        };
        match moved {
            true => {
                if let Err(error) = git::set_head(repository, &branch).await {
                    tracing::error!(%branch, error = crate::telemetry::chain(&error), "cannot point HEAD at the deploy branch");
                }
            }
            false => self.keep_unmoved(&lock, revision, &branch).await,
        }
        // While the app is locked: its next build takes the same name in the Engine.
        tokio::join!(self.trim_history(&lock), local.discard());
        lock.release().await;
    }

    async fn keep_unmoved(&self, lock: &AppLock, revision: Revision, branch: &BranchName) {
        tracing::error!(%revision, %branch, "the release is live, but git could not move its branch");
        if let Err(error) = release::note_unmoved(&self.cluster, lock, revision, branch).await {
            tracing::error!(%revision, error = crate::telemetry::chain(&error), "cannot note that with the release");
        }
    }
}
