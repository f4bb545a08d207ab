//! The `redeploy` command: deploys the head of the deploy branch again. No ref moves.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::auth::PushGrant;
use crate::domain::{CancelHandle, DeployTrace, GitObjects, Progress, PushedCommit};
use crate::git;

use super::deployer::Deployer;
use super::error::DeployError;
use super::live_deploy::LiveDeploy;
use super::options::DeployOptions;
use super::request::{DeployRequest, Trigger};

pub struct RedeployCommand<'a> {
    pub grant: &'a PushGrant,
    pub repository: &'a Path,
    pub options: DeployOptions,
    /// The client's address.
    pub remote: SocketAddr,
}

impl Deployer {
    /// Deploys the head of the deploy branch. The [`LiveDeploy`] has to be passed to [`Deployer::finalize`].
    ///
    /// # Errors
    /// Those of [`Deployer::push`], and [`DeployError::NoDeployBranch`].
    pub async fn redeploy(
        self: &Arc<Self>,
        redeploy: &RedeployCommand<'_>,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<LiveDeploy, DeployError> {
        let RedeployCommand { grant, repository, options, remote } = *redeploy;
        let objects = GitObjects { repository: repository.to_path_buf(), quarantine: None };
        let head = git::deploy_branch_head(&objects).await?;
        let (branch, commit) = head.ok_or_else(|| DeployError::NoDeployBranch(grant.app().clone()))?;
        let trace = DeployTrace::start("redeploy", grant.app(), grant.user(), remote);
        let pushed = PushedCommit { app: grant.app().clone(), commit, branch, pusher: grant.user().clone(), objects };
        let trigger = Trigger::Redeploy;
        let request = DeployRequest { grant, pushed, options, trigger, remote, trace: trace.clone() };
        trace.scope(self.run_logged(request, progress, cancel)).await
    }
}
