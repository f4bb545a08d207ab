//! The request of the `redeploy` command: deploys the head of the deploy branch again. No ref moves.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::auth::PushGrant;
use crate::domain::{DeployTrace, GitObjects, PushedCommit};
use crate::git;

use super::error::DeployError;
use super::options::{DeployMode, DeployOptions, EnvironmentOption};
use super::request::{CommitSource, DeployRequest, DeploySource, Trigger};

impl DeployRequest {
    /// A deploy of the deploy branch's head.
    ///
    /// # Errors
    /// [`DeployError::NoDeployBranch`]; [`DeployError::Git`].
    pub async fn redeploy(
        grant: PushGrant,
        repository: PathBuf,
        remote: SocketAddr,
        options: DeployOptions,
    ) -> Result<Self, DeployError> {
        let objects = GitObjects { repository: repository.clone(), quarantine: None };
        let head = git::deploy_branch_head(&objects).await?;
        let (app, pusher) = (grant.app().clone(), grant.user().clone());
        let (branch, commit) = head.ok_or_else(|| DeployError::NoDeployBranch(app.clone()))?;
        let trace = DeployTrace::start("redeploy", &app, &pusher, remote);
        let pushed = PushedCommit { app, commit, branch, pusher, objects };
        let (trigger, mode, environment) = (Trigger::Redeploy, DeployMode::Deploy, EnvironmentOption::Keep);
        let source = CommitSource { pushed, trigger, mode, environment };
        Ok(Self { grant, source: DeploySource::Commit(Box::new(source)), options, repository, remote, trace })
    }
}
