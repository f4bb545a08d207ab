//! The deploy of a commit, for a push or a redeploy: log lines, metrics and stored output around the stages.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tracing::Instrument;

use crate::auth::PushGrant;
use crate::deploy_logs::LogHeader;
use crate::domain::{CancelHandle, Cancelled, DeployTrace, Progress, PushedCommit};
use crate::git::{PushFacts, RefDecision, RefUpdate};

use super::deployer::Deployer;
use super::error::DeployError;
use super::events::DeployEvent;
use super::live_deploy::LiveDeploy;
use super::log_capture::with_log;
use super::metrics::{DeployTimer, record_trace_result};
use super::options::DeployOptions;

pub(super) struct DeployRequest<'a> {
    pub grant: &'a PushGrant,
    pub pushed: PushedCommit,
    pub options: DeployOptions,
    pub trigger: Trigger<'a>,
    pub remote: SocketAddr,
    pub trace: DeployTrace,
}

/// The reason of a deploy: a decision from before the app was locked, which is revalidated under the lock.
pub(super) enum Trigger<'a> {
    /// A push that moves the deploy branch.
    Push(&'a [RefUpdate], &'a PushFacts, &'a RefDecision),
    /// A redeploy of the commit that the deploy branch points to.
    Redeploy,
}

impl DeployRequest<'_> {
    /// The value of the metrics label `kind`.
    fn kind(&self) -> &'static str {
        match self.trigger {
            Trigger::Push(..) => "push",
            Trigger::Redeploy => "redeploy",
        }
    }

    fn log_header(&self) -> LogHeader {
        let PushedCommit { commit, pusher, .. } = &self.pushed;
        LogHeader {
            kind: self.kind().to_owned(),
            user: pusher.clone(),
            commit: Some(commit.clone()),
            began: Timestamp::now(),
        }
    }

    /// The first line of the progress.
    pub fn title(&self) -> String {
        let PushedCommit { branch, commit, pusher, .. } = &self.pushed;
        match self.trigger {
            Trigger::Push(..) => format!("Receiving {branch} at {} from {pusher}", commit.short()),
            Trigger::Redeploy => format!("Redeploying {branch} at {} for {pusher}", commit.short()),
        }
    }
}

impl Deployer {
    /// Deploys inside a log span with a new deploy id.
    pub(super) async fn run_logged(
        self: &Arc<Self>,
        request: DeployRequest<'_>,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<LiveDeploy, DeployError> {
        let (pushed, id) = (&request.pushed, uuid::Uuid::new_v4());
        request.trace.set_run_id(id);
        request.trace.set_head(&pushed.branch, &pushed.commit);
        let span = tracing::info_span!(
            "deploy", deploy_id = %id, app = %pushed.app, commit = %pushed.commit,
            user = %pushed.pusher, remote = %request.remote
        );
        self.run_measured(request, progress, cancel).instrument(span).await
    }

    async fn run_measured(
        self: &Arc<Self>,
        request: DeployRequest<'_>,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<LiveDeploy, DeployError> {
        let timer = DeployTimer::new(request.kind());
        let (app, user, trace) = (request.pushed.app.clone(), request.pushed.pusher.clone(), request.trace.clone());
        tracing::info!(branch = %request.pushed.branch, "deploy started");
        let result = Box::pin(self.run_recorded(request, progress, cancel)).await;
        let seconds = timer.finish(&result);
        record_trace_result(&trace, &result);
        match &result {
            Ok(deployed) => {
                tracing::info!(revision = %deployed.revision, seconds, "deployed");
                self.emit_event(&app, DeployEvent::deployed(deployed.revision, deployed.commit.short(), &user));
            }
            Err(error) => {
                tracing::warn!(error = crate::telemetry::error_chain(error), seconds, "deploy refused or failed");
                DeployEvent::failed(error).into_iter().for_each(|event| self.emit_event(&app, event));
            }
        }
        result
    }

    /// Deploys, and stores the output. The output of a dry run is not stored.
    async fn run_recorded(
        self: &Arc<Self>,
        request: DeployRequest<'_>,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<LiveDeploy, DeployError> {
        if request.options.dry_run {
            return self.deploy(request, progress, cancel).await;
        }
        let (repository, header) = (request.pushed.objects.repository.clone(), request.log_header());
        let deploy = async |progress: Progress| self.deploy(request, &progress, cancel).await;
        with_log(&repository, header, progress, deploy, |deployed| deployed.revision).await
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
