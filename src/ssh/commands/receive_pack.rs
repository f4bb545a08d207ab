//! `git push`

use super::command::{CommandIo, CommandResult};
use super::git_io::SshGitClient;
use crate::service::{Caller, PushRequest, PushResult, Service};
use crate::ssh::exit_status::ExitStatus;

pub(super) async fn run(service: &Service, caller: &Caller, request: PushRequest<'_>, io: CommandIo) -> CommandResult {
    let output = io.output.clone();
    let received = service.push(caller, request, SshGitClient(io)).await?;
    if let Some(advice) = &received.advice {
        output.error(advice).await;
    }
    Ok(match received.result {
        // receive-pack exits with 0 once it has reported the refusal.
        PushResult::Refused => ExitStatus::FAILED,
        PushResult::Deployed | PushResult::Stored | PushResult::Unchanged => received.git.into(),
    })
}
