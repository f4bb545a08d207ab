//! The one entry of every deploy: trace, log lines, metrics, stored output and Kubernetes Events around the work.

use std::sync::Arc;

use tracing::Instrument;
use uuid::Uuid;

use crate::domain::{CancelHandle, Cancelled, Progress};
use crate::release::lock::LockError;
use crate::telemetry::error_chain;

use super::deployer::Deployer;
use super::error::DeployError;
use super::events::DeployEvent;
use super::live_deploy::{Deployed, DeployedSource, LiveDeploy};
use super::log_capture::{open_log, with_log};
use super::metrics::{DeployTimer, record_trace_result};
use super::options::DeployMode;
use super::request::{DeployRequest, DeploySource};

impl Deployer {
    /// Runs a deploy until its release is live. The [`LiveDeploy`] has to be passed to [`Deployer::finalize`]; for a
    /// push, after git has ended.
    ///
    /// # Errors
    /// [`DeployError`], with a message for the user.
    pub async fn run(
        self: &Arc<Self>,
        request: DeployRequest,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<LiveDeploy, DeployError> {
        let id = Uuid::new_v4();
        request.describe_in_trace(id);
        let (trace, span) = (request.trace.clone(), request.log_span(id));
        let work = async {
            let timer = DeployTimer::new(request.kind());
            log_start(&request.source);
            let log = open_log(&request.repository, request.log_header()).await;
            let deploy = async |progress: Progress| Box::pin(self.deploy(&request, &progress, cancel)).await;
            let result = with_log(log, progress, deploy, |live| live.deployed.revision).await;
            let seconds = timer.finish(&result);
            record_trace_result(&request.trace, &result);
            let deployed = result.as_ref().map(|live| &live.deployed);
            log_result(&request.source, deployed, seconds);
            DeployEvent::from_result(request.user(), deployed)
                .into_iter()
                .for_each(|event| self.emit_event(request.app(), event));
            result
        };
        trace.scope(work.instrument(span)).await
    }

    async fn deploy(
        self: &Arc<Self>,
        request: &DeployRequest,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<LiveDeploy, DeployError> {
        let result = match &request.source {
            DeploySource::Commit(source) => {
                progress.start_stage(source.title()).await;
                match source.mode {
                    DeployMode::Deploy => self.deploy_commit(request, source, progress, cancel).await,
                    DeployMode::DryRun => self.dry_run(request, source, progress, cancel).await,
                }
            }
            DeploySource::Revision(to) => self.roll_back(request, *to, progress, cancel).await,
        };
        result.map_err(|error| match error {
            DeployError::Lock(LockError::Held(holder)) => {
                DeployError::Busy { holder, how_to_wait: request.how_to_wait() }
            }
            error => error,
        })
    }

    /// Runs work before the commit point. Drops the work when the client cancels the deploy, or when a shutdown has to
    /// end.
    pub(super) async fn until_cancelled<T>(
        &self,
        cancel: &CancelHandle,
        work: impl Future<Output = Result<T, DeployError>>,
    ) -> Result<T, DeployError> {
        tokio::select! {
            result = cancel.unless_cancelled(work) => result?,
            () = self.stop.cancelled() => Err(Cancelled.into()),
        }
    }
}

fn log_start(source: &DeploySource) {
    if let DeploySource::Commit(source) = source {
        tracing::info!(branch = %source.pushed.branch, "deploy started");
    }
}

fn log_result(source: &DeploySource, result: Result<&Deployed, &DeployError>, seconds: f64) {
    match (result, source) {
        (Ok(Deployed { revision, source: DeployedSource::Commit { .. }, .. }), _) => {
            tracing::info!(%revision, seconds, "deployed");
        }
        (Ok(Deployed { revision, source: DeployedSource::Revision { revision: to, .. }, .. }), _) => {
            tracing::info!(%revision, %to, seconds, "rolled back");
        }
        (Err(error), DeploySource::Commit(_)) => {
            tracing::warn!(error = error_chain(error), seconds, "deploy refused or failed");
        }
        (Err(error), DeploySource::Revision(_)) => {
            tracing::warn!(error = error_chain(error), seconds, "rollback refused or failed");
        }
    }
}
