//! The end of a deploy, after git has moved the ref or failed to.

use std::convert::Infallible;
use std::path::Path;

use crate::domain::{BranchName, Revision, in_span};
use crate::git;
use crate::release;
use crate::release::lock::ReleaseLock;

use super::deployer::Deployer;
use super::live_deploy::LiveDeploy;

impl Deployer {
    /// Checks that git moved the branch to the deployed commit, points HEAD at the branch, trims the history, deletes
    /// the image from the Engine, and releases the app's lock.
    ///
    /// The push cannot fail any more: git has answered its client. An unmoved branch is logged and recorded with the
    /// release; the next push to the branch moves it.
    pub async fn finalize(&self, deployed: LiveDeploy, repository: &Path) {
        let trace = deployed.trace.clone();
        let work = async {
            self.finalize_locked(deployed, repository).await;
            Ok::<_, Infallible>(())
        };
        let Ok(()) = trace.scope(in_span("settle", work)).await;
    }

    async fn finalize_locked(&self, deployed: LiveDeploy, repository: &Path) {
        let LiveDeploy { app, lock, local_image, branch, commit, revision, trace: _ } = deployed;
        let moved = match git::resolve_ref(repository, &branch.to_ref()).await {
            Ok(head) => head.as_ref() == Some(&commit),
            Err(error) => {
                let error = crate::telemetry::error_chain(&error);
                tracing::error!(%revision, %branch, %commit, error, "cannot read the deploy branch");
                false
            }
        };
        match moved {
            true => {
                if let Err(error) = git::set_head(repository, &branch).await {
                    let error = crate::telemetry::error_chain(&error);
                    tracing::error!(%branch, error, "cannot point HEAD at the deploy branch");
                }
            }
            false => self.record_unmoved_branch(&lock, revision, &branch).await,
        }
        // Before the lock is released: the next build of the app uses the same image name in the Engine.
        tokio::join!(self.trim_history(&app, &lock), local_image.discard());
        lock.release().await;
    }

    async fn record_unmoved_branch(&self, lock: &ReleaseLock, revision: Revision, branch: &BranchName) {
        tracing::error!(%revision, %branch, "the release is live, but git could not move its branch");
        if let Err(error) = release::record_unmoved_branch(&self.cluster, lock, revision, branch).await {
            let error = crate::telemetry::error_chain(&error);
            tracing::error!(%revision, error, "cannot record the unmoved branch with the release");
        }
    }
}
