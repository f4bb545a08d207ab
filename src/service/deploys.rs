//! Deploys without a push: redeploy and rollback.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::answers::Deployed;
use super::error::ServiceError;
use super::handle::{Caller, Service};
use crate::deploy::{DeployError, DeployOptions, DeployRequest, LiveDeploy, WhenLocked};
use crate::domain::{AppName, CancelHandle, Progress, Revision};
use crate::release::{OnFailure, OnFieldConflict, ReleasePhase};

/// The options of a redeploy and of a rollback. A push has the same ones as push options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeployFlags {
    /// Wait for a running deploy of the app instead of failing.
    pub wait: bool,
    /// Leave a failed release in place instead of rolling back to the previous one.
    pub no_rollback: bool,
    /// Take fields back from other field managers instead of failing. A rollback does so in any case.
    pub force_conflicts: bool,
    /// Deploy without running the commands of the release phase.
    pub skip_release_phase: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedeployRequest {
    pub app: AppName,
    pub flags: DeployFlags,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackRequest {
    pub app: AppName,
    /// By default the revision that was deployed before the current one.
    pub to: Option<Revision>,
    pub flags: DeployFlags,
}

impl From<DeployFlags> for DeployOptions {
    fn from(flags: DeployFlags) -> Self {
        let DeployFlags { wait, no_rollback, force_conflicts, skip_release_phase } = flags;
        Self {
            when_locked: if wait { WhenLocked::Wait } else { WhenLocked::Fail },
            on_failure: if no_rollback { OnFailure::Keep } else { OnFailure::RollBack },
            release_phase: if skip_release_phase { ReleasePhase::Skip } else { ReleasePhase::Run },
            on_conflict: if force_conflicts { OnFieldConflict::Force } else { OnFieldConflict::Refuse },
        }
    }
}

impl Service {
    /// Deploys the current commit of the deploy branch again.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn redeploy(
        &self,
        caller: &Caller,
        request: &RedeployRequest,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<Deployed, ServiceError> {
        let RedeployRequest { app, flags } = request;
        let grant = self.authorize_change(caller, app).await?;
        // Locked before the check, so that the repository is not removed in between.
        let _shared = self.lock_repository_shared(app, caller, "a redeploy").await?;
        if !self.repositories.exists(app).await {
            return Err(ServiceError::NoRepository(app.clone()));
        }
        let repository = self.repositories.path(app);
        let deploy = DeployRequest::redeploy(grant, repository, caller.remote, (*flags).into()).await?;
        self.deploy(deploy, progress, cancel).await
    }

    /// Deploys an earlier revision again, as a new revision.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn rollback(
        &self,
        caller: &Caller,
        request: &RollbackRequest,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<Deployed, ServiceError> {
        let RollbackRequest { app, to, flags } = request;
        let grant = self.authorize_change(caller, app).await?;
        let repository = self.repositories.path(app);
        let deploy = DeployRequest::rollback(grant, repository, caller.remote, *to, (*flags).into());
        self.deploy(deploy, progress, cancel).await
    }

    async fn deploy(
        &self,
        request: DeployRequest,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<Deployed, ServiceError> {
        let live = self.run_deploy(request, progress, cancel).await?;
        Ok(self.deployer.finalize(live).await)
    }

    /// Hides the type of the future, which contains those of all stages: where a front door spawns it, the compiler
    /// would exceed its recursion limit.
    pub(super) fn run_deploy<'a>(
        &'a self,
        request: DeployRequest,
        progress: &'a Progress,
        cancel: &'a CancelHandle,
    ) -> BoxFuture<'a, Result<LiveDeploy, DeployError>> {
        self.deployer.run(request, progress, cancel).boxed()
    }
}
