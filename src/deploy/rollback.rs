//! A rollback: deploys an earlier revision again. Nothing is built, and no ref moves.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::time::Instant;

use crate::auth::PushGrant;
use crate::domain::{CancelHandle, DeployTrace, Progress, Revision, in_span};
use crate::release::lock::{HolderInfo, ReleaseLock};
use crate::release::{self, RollbackOptions, RolledBack};

use super::deployer::Deployer;
use super::error::DeployError;
use super::live_deploy::{DeployedSource, LiveDeploy};
use super::options::DeployOptions;
use super::preflight::claim;
use super::request::{DeployRequest, DeploySource};

impl DeployRequest {
    /// A rollback to the revision `to`; by default, to the one that was deployed before the current one.
    pub fn rollback(
        grant: PushGrant,
        repository: PathBuf,
        remote: SocketAddr,
        to: Option<Revision>,
        options: DeployOptions,
    ) -> Self {
        let trace = DeployTrace::start("rollback", grant.app(), grant.user(), remote);
        Self { grant, source: DeploySource::Revision(to), options, repository, remote, trace }
    }
}

impl Deployer {
    pub(super) async fn roll_back(
        self: &Arc<Self>,
        request: &DeployRequest,
        to: Option<Revision>,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<LiveDeploy, DeployError> {
        let began = Instant::now();
        let preflight = in_span("preflight", self.rollback_preflight(request, progress));
        let lock = self.until_cancelled(cancel, Box::pin(preflight)).await?;
        cancel.pass_commit_point()?;
        let rollback = RollbackOptions {
            to,
            by: request.user().clone(),
            limits: self.settings.rollout_limits,
            on_failure: request.options.on_failure,
            release_phase: request.options.release_phase,
        };
        let rolling_back = Box::pin(release::rollback(&self.cluster, &lock, rollback, progress));
        match in_span("release", rolling_back).await {
            Ok(RolledBack { released, to, commit }) => {
                request.trace.set_revision(released.revision);
                self.report_deployed(request.app(), &released, began, progress).await;
                let source = DeployedSource::Revision { revision: to, commit };
                Ok(LiveDeploy::new(request, lock, None, released.revision, source))
            }
            Err(error) => {
                self.recover_later_if_unfinished(request.app(), &error);
                self.trim_history_after(request.app(), &lock, &error).await;
                lock.release().await;
                Err(error.into())
            }
        }
    }

    /// On success, the app is locked.
    async fn rollback_preflight(
        &self,
        request: &DeployRequest,
        progress: &Progress,
    ) -> Result<ReleaseLock, DeployError> {
        let holder = HolderInfo { user: Some(request.user().clone()), commit: None };
        let lock = self.lock_app(request.app(), &holder, request.options.when_locked, progress).await?;
        // The app may have got another owner while this rollback waited.
        self.apps.check_claim(&claim(&request.grant)).await?;
        self.recover_before_deploy(&lock, progress).await?;
        self.write_pull_secret(request.app()).await?;
        Ok(lock)
    }
}
