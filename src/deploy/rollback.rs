//! The `rollback` command: deploys an earlier revision again. Nothing is built, and no ref moves.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Instrument;

use crate::auth::PushGrant;
use crate::deploy_logs::LogHeader;
use crate::domain::{CancelHandle, DeployTrace, Progress, Revision, in_span};
use crate::release::lock::HolderInfo;
use crate::release::{self, RollbackRequest, RolledBack};

use super::deployer::Deployer;
use super::error::DeployError;
use super::events::DeployEvent;
use super::log_capture::with_log;
use super::metrics::{DeployTimer, record_trace_result};
use super::options::DeployOptions;

pub struct RollbackCommand<'a> {
    pub grant: &'a PushGrant,
    /// The app's repository, which stores the output.
    pub repository: &'a Path,
    /// By default, the revision that was deployed before the current one.
    pub to: Option<Revision>,
    pub options: DeployOptions,
    /// The client's address.
    pub remote: SocketAddr,
}

impl Deployer {
    /// Deploys an earlier revision as a new revision.
    ///
    /// # Errors
    /// [`DeployError`], with a message for the user.
    pub async fn rollback(
        self: &Arc<Self>,
        command: &RollbackCommand<'_>,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<RolledBack, DeployError> {
        let (app, user) = (command.grant.app(), command.grant.user());
        let (id, trace) = (uuid::Uuid::new_v4(), DeployTrace::start("rollback", app, user, command.remote));
        trace.set_run_id(id);
        let span = tracing::info_span!("rollback", deploy_id = %id, %app, %user, remote = %command.remote);
        let work = async {
            let timer = DeployTimer::new("rollback");
            let (kind, began) = ("rollback".to_owned(), Timestamp::now());
            let header = LogHeader { kind, user: user.clone(), commit: None, began };
            let rollback = async |progress: Progress| Box::pin(self.roll_back(command, &progress, cancel)).await;
            let result = with_log(command.repository, header, progress, rollback, |done| done.released.revision).await;
            timer.finish(&result);
            record_trace_result(&trace, &result);
            match &result {
                Ok(RolledBack { released, to, .. }) => {
                    trace.set_revision(released.revision);
                    tracing::info!(revision = %released.revision, %to, "rolled back");
                    self.emit_event(app, DeployEvent::rolled_back(released.revision, *to, user));
                }
                Err(error) => {
                    tracing::warn!(error = crate::telemetry::error_chain(error), "rollback refused or failed");
                    DeployEvent::failed(error).into_iter().for_each(|event| self.emit_event(app, event));
                }
            }
            result
        };
        trace.scope(work.instrument(span)).await
    }

    async fn roll_back(
        self: &Arc<Self>,
        command: &RollbackCommand<'_>,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<RolledBack, DeployError> {
        let began = Instant::now();
        let (app, user) = (command.grant.app(), command.grant.user());
        let holder = HolderInfo { user: Some(user.clone()), commit: None };
        let preflight = async {
            let lock = self.lock_app(app, &holder, command.options, progress).await?;
            self.recover_before_deploy(&lock, progress).await?;
            self.write_pull_secret(app).await?;
            Ok::<_, DeployError>(lock)
        };
        let lock = self.until_cancelled(cancel, Box::pin(in_span("preflight", preflight))).await?;
        cancel.pass_commit_point()?;
        let request = RollbackRequest {
            to: command.to,
            by: user.clone(),
            timeout: self.settings.rollout_timeout,
            on_failure: command.options.on_failure(),
        };
        let rollback = Box::pin(release::rollback(&self.cluster, &lock, request, progress));
        let rolled_back = in_span("release", rollback).await;
        let rolled_back = rolled_back.inspect_err(|error| self.recover_later_if_unfinished(app, error));
        if let Ok(rolled_back) = &rolled_back {
            self.report_deployed(app, &rolled_back.released, began.elapsed(), progress).await;
            self.trim_history(app, &lock).await;
        }
        lock.release().await;
        Ok(rolled_back?)
    }
}
