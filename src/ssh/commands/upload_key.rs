//! `upload-key NAME [--admin]`: adds the public keys on standard input.

use std::time::Duration;

use tokio::time::timeout;

use super::super::exit_status::ExitStatus;
use super::{Caller, CommandError, CommandIo, CommandService};
use crate::auth::{Role, authorize_upload};
use crate::domain::UserName;
use crate::keys::{MAX_UPLOAD_BYTES, ParseKeysError, parse_authorized_keys};

/// Ends a command that was started without a pipe: its input is the terminal and has no end.
const INPUT_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) async fn run(
    service: &CommandService,
    caller: &Caller,
    user: &UserName,
    admin: bool,
    io: CommandIo,
) -> Result<ExitStatus, CommandError> {
    let role = if admin { Role::Admin } else { Role::User };
    let grant = authorize_upload(&caller.identity, user, role)?;
    let CommandIo { mut input, output, disconnected } = io;
    let text =
        timeout(INPUT_TIMEOUT, input.read_to_end(MAX_UPLOAD_BYTES)).await.map_err(|_| CommandError::InputTimedOut)?;
    let text = text.map_err(|_| ParseKeysError::TooLarge)?;
    if disconnected.is_cancelled() {
        // The input may be incomplete.
        return Ok(ExitStatus::FAILED);
    }
    let result = service.keys.add(&grant, &parse_authorized_keys(&text)?).await?;
    tracing::info!(owner = %user, ?role, new = result.added.len(), by = %caller.identity.user, "keys uploaded");
    for line in result.report_lines(user) {
        output.line(&line).await;
    }
    Ok(ExitStatus::OK)
}
