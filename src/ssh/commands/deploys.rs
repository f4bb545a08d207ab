//! `rollback` and `redeploy`: deploys without a push.

use tokio::time::timeout;

use super::super::app_command::DeployFlags;
use super::super::exit_status::ExitStatus;
use super::super::output::progress::format_event;
use super::push::REPOSITORY_LOCK_TIMEOUT;
use super::{Caller, CommandError, CommandIo, CommandService};
use crate::auth::{PushGrant, authorize_push, authorize_read};
use crate::deploy::{DeployError, DeployOptions, RedeployCommand, RollbackCommand};
use crate::domain::{AppName, CancelHandle, Progress, Revision};

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
    let rollback = RollbackCommand {
        grant: &grant,
        repository: &repository,
        to,
        options: deploy_options(flags),
        remote: caller.remote,
    };
    let work = async |progress, cancel: &CancelHandle| service.deployer.rollback(&rollback, &progress, cancel).await;
    let rolled_back = run_with_progress(&io, work).await?;
    let output = &io.output;
    match rolled_back.commit {
        Some(commit) => output.line(&format!("       The app runs commit {commit}, as in {}.", rolled_back.to)).await,
        None => output.line(&format!("       The app runs what {} deployed.", rolled_back.to)).await,
    }
    output.line("       The deploy branch has not moved: pushing the same commit again deploys nothing.").await;
    output.line(&format!("       To deploy the branch's commit again: redeploy {app}")).await;
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
    let redeploy = RedeployCommand {
        grant: &grant,
        repository: &repository,
        options: deploy_options(flags),
        remote: caller.remote,
    };
    let work = async |progress, cancel: &CancelHandle| service.deployer.redeploy(&redeploy, &progress, cancel).await;
    let live = run_with_progress(&io, work).await?;
    service.deployer.finalize(live, &repository).await;
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
    DeployOptions { wait, no_rollback, dry_run: false }
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
