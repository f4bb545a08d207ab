//! A live release whose deploy is not finalized yet, and the answer to the client.

use std::path::PathBuf;

use serde::Serialize;

use crate::build::LocalImage;
use crate::domain::{AppName, BranchName, CommitSha, DeployTrace, Revision};
use crate::release::lock::AppLock;

/// A deploy whose release is live. It holds the app's lock until [`finalize`](super::Deployer::finalize): if the lock
/// were free before git moves the ref, a second push could deploy on top of the old ref and then fail to move it.
#[must_use = "the app stays locked until the deploy is finalized"]
pub struct LiveDeploy {
    pub(super) lock: AppLock,
    /// None for a rollback, which builds nothing.
    pub(super) local_image: Option<LocalImage>,
    pub(super) repository: PathBuf,
    pub(super) trace: DeployTrace,
    pub(super) deployed: Deployed,
}

/// The answer to a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployed {
    pub app: AppName,
    /// The new revision.
    pub revision: Revision,
    pub source: DeployedSource,
}

/// What the new revision consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DeployedSource {
    Commit {
        branch: BranchName,
        commit: CommitSha,
    },
    Revision {
        /// The revision that was deployed again.
        revision: Revision,
        /// Its commit, if slipway deployed that revision.
        commit: Option<String>,
    },
}
