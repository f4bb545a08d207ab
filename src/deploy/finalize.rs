//! The end of a deploy whose release is live: for a push, after git has moved the ref or failed to.

use std::convert::Infallible;
use std::path::Path;

use crate::build::LocalImage;
use crate::domain::{BranchName, CommitSha, Revision, in_span};
use crate::git;
use crate::release;
use crate::release::lock::ReleaseLock;

use super::deployer::Deployer;
use super::live_deploy::{Deployed, DeployedSource, LiveDeploy};

impl Deployer {
    /// Checks that git moved the branch to the deployed commit, points HEAD at the branch, trims the history, deletes
    /// the image from the Engine, and releases the app's lock.
    ///
    /// The deploy cannot fail any more: a push's client has its answer. An unmoved branch is logged and recorded with
    /// the release; the next push to the branch moves it.
    pub async fn finalize(&self, live: LiveDeploy) -> Deployed {
        let trace = live.trace.clone();
        match &live.deployed.source {
            DeployedSource::Commit { .. } => {
                let settling = async { Ok::<_, Infallible>(self.finalize_locked(live).await) };
                let Ok(deployed) = trace.scope(in_span("settle", settling)).await;
                deployed
            }
            DeployedSource::Revision { .. } => trace.scope(self.finalize_locked(live)).await,
        }
    }

    async fn finalize_locked(&self, live: LiveDeploy) -> Deployed {
        let LiveDeploy { lock, local_image, repository, trace: _, deployed } = live;
        if let DeployedSource::Commit { branch, commit } = &deployed.source {
            match is_moved(&repository, branch, commit, deployed.revision).await {
                true => point_head_at(&repository, branch).await,
                false => self.record_unmoved_branch(&lock, deployed.revision, branch).await,
            }
        }
        // Before the lock is released: the next build of the app uses the same image name in the Engine.
        tokio::join!(self.trim_history(&deployed.app, &lock), discard(local_image));
        lock.release().await;
        deployed
    }

    async fn record_unmoved_branch(&self, lock: &ReleaseLock, revision: Revision, branch: &BranchName) {
        tracing::error!(%revision, %branch, "the release is live, but git could not move its branch");
        if let Err(error) = release::record_unmoved_branch(&self.cluster, lock, revision, branch).await {
            let error = crate::telemetry::error_chain(&error);
            tracing::error!(%revision, error, "cannot record the unmoved branch with the release");
        }
    }
}

/// Whether the branch points to the deployed commit.
async fn is_moved(repository: &Path, branch: &BranchName, commit: &CommitSha, revision: Revision) -> bool {
    match git::resolve_ref(repository, &branch.to_ref()).await {
        Ok(head) => head.as_ref() == Some(commit),
        Err(error) => {
            let error = crate::telemetry::error_chain(&error);
            tracing::error!(%revision, %branch, %commit, error, "cannot read the deploy branch");
            false
        }
    }
}

async fn point_head_at(repository: &Path, branch: &BranchName) {
    if let Err(error) = git::set_head(repository, branch).await {
        let error = crate::telemetry::error_chain(&error);
        tracing::error!(%branch, error, "cannot point HEAD at the deploy branch");
    }
}

async fn discard(image: Option<LocalImage>) {
    if let Some(image) = image {
        image.discard().await;
    }
}
