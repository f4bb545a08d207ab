//! `upload-key NAME [--admin]`

use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use super::command::{Command, CommandContext, CommandIo, CommandResult};
use super::error::CommandError;
use crate::auth::Role;
use crate::domain::{AppName, UserName};
use crate::service::{InvalidKeys, MAX_UPLOAD_BYTES, ServiceError, UploadRequest};
use crate::ssh::exit_status::ExitStatus;

/// Ends a command that was started without a pipe: its input is the terminal and has no end.
const INPUT_TIMEOUT: Duration = Duration::from_secs(60);

/// Adds the public keys on standard input, for you or, as an admin, for any user.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(override_usage = "upload-key NAME [--admin] < KEY.pub")]
pub struct UploadKey {
    /// The name of the user.
    #[arg(value_name = "NAME")]
    pub user: UserName,
    /// Makes the user an admin.
    #[arg(long)]
    pub admin: bool,
}

impl Command for UploadKey {
    const NAME: &'static str = "upload-key";

    fn app(&self) -> Option<&AppName> {
        None
    }

    async fn run(self, context: CommandContext<'_>) -> CommandResult {
        let CommandContext { service, caller, io, .. } = context;
        let CommandIo { mut input, output, disconnected } = io;
        let role = if self.admin { Role::Admin } else { Role::User };
        let grant = service.authorize_upload(caller, &UploadRequest { user: self.user, role })?;
        let text = timeout(INPUT_TIMEOUT, input.read_to_end(MAX_UPLOAD_BYTES)).await;
        let text = text.map_err(|_| CommandError::InputTimedOut)?;
        let text = text.map_err(|_| ServiceError::InvalidKeys(InvalidKeys::TooLarge))?;
        if disconnected.is_cancelled() {
            // The input may be incomplete.
            return Ok(ExitStatus::FAILED);
        }
        for line in service.upload_keys(caller, &grant, &text).await?.report_lines(grant.user()) {
            output.line(&line).await;
        }
        Ok(ExitStatus::OK)
    }
}
