//! `upload-key NAME [--admin]`: adds the public keys on standard input.

use std::time::Duration;

use tokio::time::timeout;

use super::super::invocation::Exit;
use super::{Caller, FrontDoor, Refusal, Streams};
use crate::domain::UserName;
use crate::keys::{MAX_UPLOAD, ParseError, Role, parse, upload_grant};

/// How long the input may take: whoever forgot to pipe a key in gets told.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(
    front: &FrontDoor,
    caller: &Caller,
    user: &UserName,
    admin: bool,
    streams: Streams,
) -> Result<Exit, Refusal> {
    let role = if admin { Role::Admin } else { Role::User };
    let grant = upload_grant(&caller.identity, user, role)?;
    let Streams { mut input, output, gone } = streams;
    let text = timeout(PATIENCE, input.read_to_end(MAX_UPLOAD)).await.map_err(|_| Refusal::InputLate)?;
    let text = text.map_err(|_| ParseError::TooLarge)?;
    if gone.is_cancelled() {
        // What arrived may be half of what was meant.
        return Ok(Exit::FAILED);
    }
    let added = front.keys.add(&grant, &parse(&text)?).await?;
    tracing::info!(owner = %user, ?role, new = added.new.len(), by = %caller.identity.user, "keys uploaded");
    for line in added.report(user) {
        output.line(&line).await;
    }
    Ok(Exit::OK)
}
