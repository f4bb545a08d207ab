//! A push while receive-pack runs: its pre-receive hook waits for the deploy, and prints the progress.

use std::path::Path;

use metrics::counter;
use tokio_util::sync::CancellationToken;

use super::error::ServiceError;
use super::git_client::{GitClient, GitExit, GitSession};
use super::handle::{Caller, Service};
use super::push_result::{PushResult, ReceivedPush};
use super::terminal::{format_error, format_event};
use crate::auth::PushGrant;
use crate::deploy::{DeployError, IncomingPush, LiveDeploy, PushDecision};
use crate::domain::{CancelHandle, DeployTrace, PipelineResult, Progress, Revision, in_span, metric_names};
use crate::git::{GitService, HookConfig, HookListener, PendingHook, ServiceCommand, ServiceProcess, Verdict};
use crate::telemetry::error_chain;

pub(super) struct PushSession<'a> {
    pub service: &'a Service,
    pub caller: &'a Caller,
    pub grant: &'a PushGrant,
    pub repository: &'a Path,
    /// Whether another push may move a branch before this one does.
    pub has_company: bool,
    /// Cancelled when the app is to be deleted.
    pub claimed: &'a CancellationToken,
    pub cancel: CancelHandle,
    pub trace: DeployTrace,
}

/// The hook's answer to git.
enum HookOutcome {
    /// Accept: the release is live.
    Deployed(Box<LiveDeploy>),
    /// Accept without a deploy.
    Stored,
    Rejected,
    NotRun,
}

impl HookOutcome {
    fn push_result(&self) -> PushResult {
        match self {
            Self::Deployed(_) => PushResult::Deployed,
            Self::Stored => PushResult::Stored,
            Self::Rejected => PushResult::Refused,
            Self::NotRun => PushResult::Unchanged,
        }
    }
}

impl PushSession<'_> {
    /// Runs receive-pack, and the deploy inside its hook. The deploy is finalized after git has ended: only then is it
    /// certain whether the ref has moved.
    pub async fn receive(&self, protocol: Option<&str>, client: impl GitClient) -> Result<ReceivedPush, ServiceError> {
        let listener = HookListener::bind(self.service.repositories.socket_dir())?;
        let git = self.spawn(protocol, &listener)?;
        let ended = CancellationToken::new();
        let exchange = async {
            let _ended = ended.clone().drop_guard();
            let (cancel, stop) = (&self.cancel, &self.service.deployer.stop);
            client.exchange(GitSession { git, cancel, stop, claimed: Some(self.claimed) }).await
        };
        let (exit, outcome) = tokio::join!(exchange, self.handle_hook(&listener, &ended));
        let result = outcome.push_result();
        counter!(metric_names::RECEIVES_TOTAL, "result" => result.as_str()).increment(1);
        let revision = self.finish(outcome, exit.as_ref().ok()).await;
        let git = exit.map_err(ServiceError::GitIo)?;
        Ok(ReceivedPush { app: self.grant.app().clone(), result, revision, advice: None, git })
    }

    fn spawn(&self, protocol: Option<&str>, listener: &HookListener) -> Result<ServiceProcess, ServiceError> {
        let hook = HookConfig {
            directory: self.service.repositories.hooks_dir(),
            socket: listener.path(),
            follow_moved_branches: self.has_company,
        };
        let git = ServiceCommand {
            service: GitService::ReceivePack,
            repository: self.repository,
            protocol,
            settings: &self.service.git,
            hook: Some(hook),
        };
        Ok(git.spawn()?)
    }

    /// Finalizes a deploy; records the result of any other push in the trace, unless the hook has done so. `git` is how
    /// receive-pack ended, if that is known.
    async fn finish(&self, outcome: HookOutcome, git: Option<&GitExit>) -> Option<Revision> {
        match outcome {
            HookOutcome::Deployed(live) => return Some(self.service.deployer.finalize(*live).await.revision),
            HookOutcome::Rejected => {}
            HookOutcome::Stored | HookOutcome::NotRun if git == Some(&GitExit::SUCCESS) => {
                self.trace.set_result(PipelineResult::Skip);
            }
            HookOutcome::Stored | HookOutcome::NotRun => self.trace.record_failure("git rejected the push"),
        }
        None
    }

    /// Waits for the hook, which git starts at most once, deploys and sends the verdict.
    async fn handle_hook(&self, listener: &HookListener, ended: &CancellationToken) -> HookOutcome {
        let hook = match ended.run_until_cancelled(in_span("receive", listener.accept())).await {
            Some(Ok(hook)) => hook,
            Some(Err(error)) => {
                let error = error_chain(&error);
                tracing::warn!(error, "the pre-receive hook sent no valid request: rejecting the push");
                return HookOutcome::Rejected;
            }
            None => return HookOutcome::NotRun,
        };
        let result = tokio::select! {
            result = self.deploy(&hook) => result,
            never = self.cancel_when_git_ends(&hook, ended) => never,
        };
        send_verdict(hook, result).await
    }

    /// Cancels the deploy when git or its hook ends before the verdict: git does not move the refs then.
    async fn cancel_when_git_ends<T>(&self, hook: &PendingHook, ended: &CancellationToken) -> T {
        tokio::select! {
            () = ended.cancelled() => {}
            () = hook.closed() => {}
        }
        self.cancel.cancel();
        std::future::pending().await
    }

    /// Deploys the push; the hook prints the progress.
    async fn deploy(&self, hook: &PendingHook) -> Result<Option<LiveDeploy>, DeployError> {
        let (progress, mut events) = Progress::channel();
        let work = async {
            let progress = progress;
            self.decide_and_deploy(hook, &progress).await
        };
        let print = async {
            // Printing stops for good once it fails: a client that does not read must not delay a deploy, which holds
            // its app's lock.
            let mut is_printing = true;
            while let Some(event) = events.recv().await {
                is_printing = is_printing && hook.print(&format_event(&event)).await.is_ok();
            }
        };
        tokio::join!(work, print).0
    }

    /// None if git can accept the push without a deploy.
    async fn decide_and_deploy(
        &self,
        hook: &PendingHook,
        progress: &Progress,
    ) -> Result<Option<LiveDeploy>, DeployError> {
        let push = IncomingPush {
            grant: self.grant,
            hook: &hook.request,
            repository: self.repository,
            follow_moved_branches: self.has_company,
            remote: self.caller.remote,
            trace: &self.trace,
        };
        // The client may have waited before it sent its commits.
        self.service.check_key(self.caller)?;
        match self.service.deployer.decide_push(&push, progress, &self.cancel).await? {
            PushDecision::Deploy(request) => self.service.run_deploy(*request, progress, &self.cancel).await.map(Some),
            PushDecision::Store => Ok(None),
        }
    }
}

/// Ends the hook with the verdict. git treats a hook that has ended without one as a rejection.
async fn send_verdict(hook: PendingHook, result: Result<Option<LiveDeploy>, DeployError>) -> HookOutcome {
    let (verdict, outcome) = match result {
        Ok(Some(live)) => (Verdict::Accept, HookOutcome::Deployed(Box::new(live))),
        Ok(None) => (Verdict::Accept, HookOutcome::Stored),
        Err(error) => {
            let _ = hook.print(&format_error(&error.to_string()).join("\n")).await;
            (Verdict::Reject, HookOutcome::Rejected)
        }
    };
    if let Err(error) = hook.send_verdict(verdict).await {
        tracing::warn!(%error, ?verdict, "cannot send the verdict to the pre-receive hook");
    }
    outcome
}
