//! A live release whose ref git has not moved yet.

use crate::build::LocalImage;
use crate::domain::{AppName, BranchName, CommitSha, DeployTrace, Revision};
use crate::release::lock::ReleaseLock;

/// A deploy whose release is live. It holds the app's lock until [`finalize`](super::Deployer::finalize): if the lock
/// were free before git moves the ref, a second push could deploy on top of the old ref and then fail to move it.
#[must_use = "the app stays locked until the deploy is finalized"]
pub struct LiveDeploy {
    pub(super) app: AppName,
    pub(super) lock: ReleaseLock,
    pub(super) local_image: LocalImage,
    pub(super) branch: BranchName,
    pub(super) commit: CommitSha,
    pub(super) revision: Revision,
    pub(super) trace: DeployTrace,
}
