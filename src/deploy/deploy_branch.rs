//! The branch whose pushes are deployed: the one that HEAD of the app's repository names.

use std::path::Path;

use crate::auth::PushGrant;
use crate::domain::{AppName, BranchName, GitObjects};
use crate::git;
use crate::release::lock::HolderInfo;

use super::deployer::Deployer;
use super::error::DeployError;
use super::options::WhenLocked;

/// The deploy branch of an app.
///
/// # Errors
/// [`DeployError::NoDeployBranch`]; [`DeployError::Git`].
pub async fn read_deploy_branch(repository: &Path, app: &AppName) -> Result<BranchName, DeployError> {
    let objects = GitObjects { repository: repository.to_owned(), quarantine: None };
    let head = git::deploy_branch_head(&objects).await?;
    head.map(|(branch, _)| branch).ok_or_else(|| DeployError::NoDeployBranch(app.clone()))
}

impl Deployer {
    /// Makes a stored branch the deploy branch. The running release stays until the next deploy.
    ///
    /// A deploy points HEAD at its branch before it releases the app's lock, so the change takes the lock too.
    ///
    /// # Errors
    /// [`DeployError::NoSuchBranch`]; [`DeployError::Lock`] while a deploy is running.
    pub async fn set_deploy_branch(
        &self,
        grant: &PushGrant,
        repository: &Path,
        branch: &BranchName,
    ) -> Result<(), DeployError> {
        let (app, user) = (grant.app(), grant.user());
        if git::resolve_ref(repository, &branch.to_ref()).await?.is_none() {
            return Err(DeployError::NoSuchBranch { app: app.clone(), branch: branch.clone() });
        }
        let holder = HolderInfo { user: Some(user.clone()), commit: None };
        let (progress, _) = crate::domain::Progress::channel();
        let lock = self.lock_app(app, &holder, WhenLocked::Fail, &progress).await?;
        let changed = git::set_head(repository, branch).await;
        lock.release().await;
        changed?;
        tracing::info!(%app, %user, %branch, "changed the deploy branch");
        Ok(())
    }
}
