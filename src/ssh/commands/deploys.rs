//! `rollback` and `redeploy`: deploys without a push.

use tokio::time::timeout;

use super::super::app_command::DeployFlags;
use super::super::exit_status::ExitStatus;
use super::super::output::CommandOutput;
use super::super::output::progress::format_event;
use super::push::REPOSITORY_LOCK_TIMEOUT;
use super::{Caller, CommandError, CommandIo, CommandService};
use crate::auth::{PushGrant, authorize_push, authorize_read};
use crate::deploy::{DeployError, DeployOptions, DeployRequest, Deployed, DeployedSource, WhenLocked};
use crate::domain::{AppName, CancelHandle, Progress, Revision};
use crate::release::OnFailure;

pub(super) async fn rollback(
    service: &CommandService,
    caller: &Caller,
    app: &AppName,
    to: Option<Revision>,
    flags: DeployFlags,
    io: CommandIo,
) -> Result<ExitStatus, CommandError> {
    let grant = service.authorize_deploy(caller, app).await?;
    let repository = service.repositories.path(app);
    let request = DeployRequest::rollback(grant, repository, caller.remote, to, deploy_options(flags));
    print_source(&deploy(service, request, &io).await?, &io.output).await;
    Ok(ExitStatus::OK)
}

pub(super) async fn redeploy(
    service: &CommandService,
    caller: &Caller,
    app: &AppName,
    flags: DeployFlags,
    io: CommandIo,
) -> Result<ExitStatus, CommandError> {
    let grant = service.authorize_deploy(caller, app).await?;
    // Locked before the check, so that the repository is not removed in between.
    let locked = timeout(REPOSITORY_LOCK_TIMEOUT, service.repository_locks.lock_shared(app)).await;
    let _shared = locked.map_err(|_| CommandError::RepositoryInUse(app.clone()))?;
    if !service.repositories.exists(app).await {
        return Err(CommandError::NoRepository(app.clone()));
    }
    let repository = service.repositories.path(app);
    let request = DeployRequest::redeploy(grant, repository, caller.remote, deploy_options(flags)).await?;
    print_source(&deploy(service, request, &io).await?, &io.output).await;
    Ok(ExitStatus::OK)
}

impl CommandService {
    /// Authorizes a deploy of an existing app.
    pub(super) async fn authorize_deploy(&self, caller: &Caller, app: &AppName) -> Result<PushGrant, CommandError> {
        let owner = self.deployer.apps.find_owner(app).await?;
        let readable = authorize_read(&caller.identity, app, &owner)?;
        Ok(authorize_push(&caller.identity, readable.app(), &owner, self.creation)?)
    }
}

fn deploy_options(flags: DeployFlags) -> DeployOptions {
    let DeployFlags { wait, no_rollback } = flags;
    DeployOptions {
        when_locked: if wait { WhenLocked::Wait } else { WhenLocked::Fail },
        on_failure: if no_rollback { OnFailure::Keep } else { OnFailure::RollBack },
    }
}

async fn deploy(service: &CommandService, request: DeployRequest, io: &CommandIo) -> Result<Deployed, CommandError> {
    let work = async |progress, cancel: &CancelHandle| service.deployer.run(request, &progress, cancel).await;
    let live = run_with_progress(io, work).await?;
    Ok(service.deployer.finalize(live).await)
}

/// Prints what the app runs now, if that is not its deploy branch.
async fn print_source(deployed: &Deployed, output: &CommandOutput) {
    let DeployedSource::Revision { revision, commit } = &deployed.source else { return };
    match commit {
        Some(commit) => output.line(&format!("       The app runs commit {commit}, as in {revision}.")).await,
        None => output.line(&format!("       The app runs what {revision} deployed.")).await,
    }
    output.line("       The deploy branch has not moved: pushing the same commit again deploys nothing.").await;
    output.line(&format!("       To deploy the branch's commit again: redeploy {}", deployed.app)).await;
}

/// Runs a deploy and prints its progress. If the client disconnects before the commit point, the deploy is cancelled.
pub(super) async fn run_with_progress<T>(
    io: &CommandIo,
    work: impl AsyncFnOnce(Progress, &CancelHandle) -> Result<T, DeployError>,
) -> Result<T, CommandError> {
    let (progress, mut events) = Progress::channel();
    let cancel = CancelHandle::default();
    let print = async {
        while let Some(event) = events.recv().await {
            io.output.line(&format_event(&event)).await;
        }
    };
    let work_and_print = async { tokio::join!(work(progress, &cancel), print).0 };
    let cancel_on_disconnect = async {
        io.disconnected.cancelled().await;
        cancel.cancel();
        std::future::pending().await
    };
    let result = tokio::select! {
        result = work_and_print => result,
        never = cancel_on_disconnect => never,
    };
    Ok(result?)
}
