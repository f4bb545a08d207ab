//! `git push`: authorizes the push, runs git's receive-pack and deploys inside its pre-receive hook.

use std::path::Path;
use std::time::Duration;

use metrics::counter;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::super::exit_status::ExitStatus;
use super::super::output::progress::{format_error, format_event};
use super::repository_locks::ExclusiveAccess;
use super::{Caller, CommandError, CommandIo, CommandService, git_io};
use crate::auth::{PushGrant, authorize_push};
use crate::deploy::{DeployError, IncomingPush, LiveDeploy, PushDecision};
use crate::domain::metric_names;
use crate::domain::{AppName, AppOwner, CancelHandle, DeployTrace, PipelineResult, Progress, in_span};
use crate::git::{HookConfig, HookListener, PendingHook, Service, ServiceCommand, ServiceProcess, Verdict};
use crate::telemetry::error_chain;

/// How long a command waits for a repository that is being moved aside, packed or removed.
pub(super) const REPOSITORY_LOCK_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) async fn run(
    service: &CommandService,
    caller: &Caller,
    app: &AppName,
    protocol: Option<&str>,
    io: CommandIo,
) -> Result<ExitStatus, CommandError> {
    let owner = service.deployer.apps.find_owner(app).await?;
    let grant = authorize_push(&caller.identity, app, &owner, service.creation)?;
    let lock = async {
        if grant.creates_app() {
            retire_former_repository(service, app).await?;
        }
        Ok::<_, CommandError>(service.repository_locks.lock_shared(app).await)
    };
    let locked = timeout(REPOSITORY_LOCK_TIMEOUT, lock).await;
    let shared = locked.map_err(|_| CommandError::RepositoryInUse(app.clone()))??;
    let repository = service.repositories.get_or_create(app).await?;
    let trace = DeployTrace::start("push", app, grant.user(), caller.remote);
    let push = Push { service, caller, grant: &grant, repository: &repository, cancel: CancelHandle::default(), trace };
    let exit_status = push.trace.scope(push.receive(protocol, io)).await;
    drop(push);
    if let Some(exclusive) = shared.try_into_exclusive() {
        clean_up_repository(service, app).await;
        spawn_garbage_collection(service, app, exclusive);
    }
    exit_status
}

/// Moves the repository of a former app of this name aside. An app ends with its namespace, and the next owner of its name
/// must not get its commits.
async fn retire_former_repository(service: &CommandService, app: &AppName) -> Result<(), CommandError> {
    if !has_history(service, app).await? {
        return Ok(());
    }
    let _exclusive = service.repository_locks.lock_exclusive(app).await;
    if service.deployer.apps.find_owner(app).await? == AppOwner::None && has_history(service, app).await? {
        let path = service.repositories.retire(app).await?;
        tracing::warn!(%app, path = %path.display(), "the app's namespace no longer exists: moved its repository aside");
    }
    Ok(())
}

/// Whether the repository contains refs or deploy logs.
async fn has_history(service: &CommandService, app: &AppName) -> Result<bool, CommandError> {
    Ok(service.repositories.has_refs(app).await? || service.deploy_logs(app).has_any().await)
}

/// Removes what killed and rejected pushes left.
async fn clean_up_repository(service: &CommandService, app: &AppName) {
    let cleaned = async {
        service.repositories.remove_stale_files(app).await?;
        if service.repositories.has_refs(app).await? {
            return Ok(());
        }
        // The log of a failed first deploy is kept if the app exists.
        if !service.deploy_logs(app).has_any().await || service.deployer.apps.find_owner(app).await? == AppOwner::None {
            service.repositories.remove_if_empty(app).await?;
        }
        Ok::<_, CommandError>(())
    };
    if let Err(error) = cleaned.await {
        tracing::warn!(%app, error = error_chain(&error), "cannot clean up the repository after a push");
    }
}

/// Runs `git gc --auto` in the background: this push does not wait for it, and the next push does so only if it comes at
/// once.
fn spawn_garbage_collection(service: &CommandService, app: &AppName, exclusive: ExclusiveAccess) {
    let (repositories, app) = (service.repositories.clone(), app.clone());
    let collect_garbage = async move {
        if let Err(error) = repositories.collect_garbage(&app).await {
            tracing::warn!(%app, error = error_chain(&error), "cannot collect garbage in a repository");
        }
        drop(exclusive);
    };
    tokio::spawn(collect_garbage.in_current_span());
}

enum HookOutcome {
    /// Accepted; the release is live.
    Deployed(Box<LiveDeploy>),
    /// Accepted without a deploy.
    Stored,
    Rejected,
    /// git did not start the hook: the push changed nothing, or git itself rejected it first.
    HookNotRun,
}

impl HookOutcome {
    /// The value of the metric's `result` label.
    fn as_label(&self) -> &'static str {
        match self {
            Self::Deployed(_) => "deployed",
            Self::Stored => "stored",
            Self::Rejected => "refused",
            Self::HookNotRun => "unchanged",
        }
    }
}

struct Push<'a> {
    service: &'a CommandService,
    caller: &'a Caller,
    grant: &'a PushGrant,
    repository: &'a Path,
    cancel: CancelHandle,
    trace: DeployTrace,
}

impl Push<'_> {
    /// Runs receive-pack, and the deploy inside its hook. The deploy is finalized after git has ended: only then is it
    /// certain whether the ref has moved.
    async fn receive(&self, protocol: Option<&str>, io: CommandIo) -> Result<ExitStatus, CommandError> {
        let listener = HookListener::bind(self.service.repositories.socket_dir())?;
        let git = self.spawn(protocol, &listener)?;
        let ended = CancellationToken::new();
        let serve = async {
            let _ended = ended.clone().drop_guard();
            git_io::serve(git, io, &self.cancel, &self.service.deployer.stop).await
        };
        let (exit_status, outcome) = tokio::join!(serve, self.handle_hook(&listener, &ended));
        counter!(metric_names::RECEIVES_TOTAL, "result" => outcome.as_label()).increment(1);
        match outcome {
            HookOutcome::Deployed(live) => {
                self.service.deployer.finalize(*live).await;
            }
            // receive-pack exits with 0 once it has reported the rejection.
            HookOutcome::Rejected => return exit_status.map_err(CommandError::from).map(|_| ExitStatus::FAILED),
            HookOutcome::Stored | HookOutcome::HookNotRun if matches!(exit_status, Ok(ExitStatus::OK)) => {
                self.trace.set_result(PipelineResult::Skip)
            }
            HookOutcome::Stored | HookOutcome::HookNotRun => self.trace.record_failure("git rejected the push"),
        }
        Ok(exit_status?)
    }

    fn spawn(&self, protocol: Option<&str>, listener: &HookListener) -> Result<ServiceProcess, CommandError> {
        let hook = HookConfig { directory: self.service.repositories.hooks_dir(), socket: listener.path() };
        let git = ServiceCommand {
            service: Service::ReceivePack,
            repository: self.repository,
            protocol,
            settings: &self.service.git,
            hook: Some(hook),
        };
        Ok(git.spawn()?)
    }

    /// Waits for the hook, which git starts at most once, deploys and sends the verdict.
    async fn handle_hook(&self, listener: &HookListener, ended: &CancellationToken) -> HookOutcome {
        let hook = match ended.run_until_cancelled(in_span("receive", listener.accept())).await {
            Some(Ok(hook)) => hook,
            Some(Err(error)) => {
                tracing::warn!(
                    error = error_chain(&error),
                    "the pre-receive hook sent no valid request: rejecting the push"
                );
                return HookOutcome::Rejected;
            }
            None => return HookOutcome::HookNotRun,
        };
        let result = tokio::select! {
            result = self.deploy(&hook) => result,
            never = self.cancel_when_git_ends(&hook, ended) => never,
        };
        self.send_verdict(hook, result).await
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
        let push = IncomingPush {
            grant: self.grant,
            hook: &hook.request,
            repository: self.repository,
            remote: self.caller.remote,
            trace: &self.trace,
        };
        let work = async {
            let (deployer, progress) = (&self.service.deployer, progress);
            match deployer.decide_push(&push, &progress, &self.cancel).await? {
                PushDecision::Deploy(request) => deployer.run(*request, &progress, &self.cancel).await.map(Some),
                PushDecision::Store => Ok(None),
            }
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

    /// Ends the hook with the verdict. git treats a hook that has ended without one as a rejection.
    async fn send_verdict(&self, hook: PendingHook, result: Result<Option<LiveDeploy>, DeployError>) -> HookOutcome {
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
}
