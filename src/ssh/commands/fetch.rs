//! `git fetch`, `git clone` and `git archive --remote`.

use super::super::exit_status::ExitStatus;
use super::{Caller, CommandError, CommandIo, CommandService, git_io};
use crate::auth::authorize_read;
use crate::domain::{AppName, CancelHandle};
use crate::git::{GitService, ServiceCommand};

pub(super) async fn run(
    service: &CommandService,
    caller: &Caller,
    app: &AppName,
    git_service: GitService,
    protocol: Option<&str>,
    io: CommandIo,
) -> Result<ExitStatus, CommandError> {
    let grant = authorize_read(&caller.identity, app, &service.deployer.apps.find_owner(app).await?)?;
    if !service.repositories.exists(grant.app()).await {
        return Err(CommandError::NoRepository(app.clone()));
    }
    let repository = service.repositories.path(grant.app());
    let git =
        ServiceCommand { service: git_service, repository: &repository, protocol, settings: &service.git, hook: None };
    Ok(git_io::serve(git.spawn()?, io, &CancelHandle::default(), &service.deployer.stop).await?)
}
