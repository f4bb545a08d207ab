//! Deploying once more what was pushed last. No ref moves.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::domain::{Cancel, ObjectStore, Progress, PushedCommit, Trace};
use crate::git;
use crate::keys::PushGrant;

use super::options::DeployOptions;
use super::order::{Basis, Order};
use super::{DeployError, Deployed, Deployer};

/// The wish to deploy once more what was pushed last.
pub struct Redeploy<'a> {
    /// The right to push to the app.
    pub grant: &'a PushGrant,
    /// The app's repository.
    pub repository: &'a Path,
    /// How it is to be done.
    pub options: DeployOptions,
    /// The client's address.
    pub remote: SocketAddr,
}

impl Deployer {
    /// Deploys the deploy branch's commit again. What is returned holds the app's lock, as with a push.
    ///
    /// # Errors
    /// As [`Deployer::push`], and [`DeployError::NoBranch`].
    pub async fn redeploy(
        self: &Arc<Self>,
        redeploy: &Redeploy<'_>,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Deployed, DeployError> {
        let Redeploy { grant, repository, options, remote } = *redeploy;
        let objects = ObjectStore { repository: repository.to_path_buf(), quarantine: None };
        let found = git::deploy_head(&objects).await?;
        let (branch, commit) = found.ok_or_else(|| DeployError::NoBranch(grant.app().clone()))?;
        let trace = Trace::begin("redeploy", grant.app(), grant.user(), remote);
        let pushed = PushedCommit { app: grant.app().clone(), commit, branch, pusher: grant.user().clone(), objects };
        let order = Order { grant, pushed, options, basis: Basis::Branch, remote, trace: trace.clone() };
        trace.follow(self.logged(order, progress, cancel)).await
    }
}
