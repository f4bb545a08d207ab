//! `apps:destroy APP`: deletes an app.

use std::time::Duration;

use tokio::time::timeout;

use super::super::exit_status::ExitStatus;
use super::deploys::run_with_progress;
use super::push::REPOSITORY_LOCK_TIMEOUT;
use super::{Caller, CommandError, CommandIo, CommandService};
use crate::apps::DeletionOutcome;
use crate::domain::{AppName, CancelHandle};

const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(60);
/// In bytes: more than any app name with a line feed.
const MAX_CONFIRMATION_LEN: usize = 256;

pub(super) async fn run(
    service: &CommandService,
    caller: &Caller,
    app: &AppName,
    force: bool,
    mut io: CommandIo,
) -> Result<ExitStatus, CommandError> {
    let grant = service.authorize_deploy(caller, app).await?;
    if !force {
        confirm(app, &mut io).await?;
    }
    // Excludes pushes until the repository is removed.
    let locked = timeout(REPOSITORY_LOCK_TIMEOUT, service.repository_locks.lock_exclusive(app)).await;
    let _exclusive = locked.map_err(|_| CommandError::RepositoryInUse(app.clone()))?;
    let work = async |progress, _: &CancelHandle| service.deployer.destroy(&grant, caller.remote, &progress).await;
    let deletion = run_with_progress(&io, work).await?;
    service.repositories.remove(app).await?;
    let deleted = match deletion {
        DeletionOutcome::Deleted => "its namespace and its repository",
        DeletionOutcome::Released => "its release and its repository; the namespace existed before the app and remains",
    };
    io.output.line(&format!("=====> {app} is deleted, with {deleted}")).await;
    Ok(ExitStatus::OK)
}

/// Asks for the name of the app, to protect against accidental deletion.
async fn confirm(app: &AppName, io: &mut CommandIo) -> Result<(), CommandError> {
    let question =
        format!("This deletes {app} with all its data, its releases and its repository. Type its name to confirm: ");
    io.output.stderr(question).await;
    let typed = timeout(CONFIRMATION_TIMEOUT, io.input.read_line(MAX_CONFIRMATION_LEN)).await.ok().flatten();
    match typed {
        Some(name) if name.trim() == app.as_str() => Ok(()),
        _ => Err(CommandError::NotConfirmed(app.clone())),
    }
}
