//! `git fetch`, `git clone` and `git archive --remote`

use super::command::{CommandIo, CommandResult};
use super::git_io::SshGitClient;
use crate::service::{Caller, FetchRequest, Service};

pub(super) async fn run(service: &Service, caller: &Caller, request: FetchRequest<'_>, io: CommandIo) -> CommandResult {
    Ok(service.fetch(caller, request, SshGitClient(io)).await?.into())
}
