//! Errors of commands, and their exit statuses.

use crate::service::{ErrorKind, ServiceError};
use crate::ssh::exit_status::ExitStatus;
use crate::ssh::parse_error::ParseCommandError;

/// A failed command. `Display` is for the client; the log has the sources as well.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Parse(#[from] ParseCommandError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(
        "standard input did not end in time: send the public key through a pipe, for example: cat ~/.ssh/id_ed25519.pub | ssh …"
    )]
    InputTimedOut,
    #[error("slipway could not write the output as JSON")]
    Json(#[from] serde_json::Error),
}

impl CommandError {
    pub fn exit_status(&self) -> ExitStatus {
        match self {
            Self::Parse(_) => ExitStatus::USAGE,
            Self::Service(error) => of_kind(error.kind()),
            Self::InputTimedOut | Self::Json(_) => ExitStatus::FAILED,
        }
    }
}

/// Scripts only tell success, failure and usage errors apart, so all kinds have the same status.
fn of_kind(kind: ErrorKind) -> ExitStatus {
    match kind {
        ErrorKind::NotFound
        | ErrorKind::Forbidden
        | ErrorKind::Invalid
        | ErrorKind::Conflict
        | ErrorKind::Busy
        | ErrorKind::Unavailable
        | ErrorKind::Failed
        | ErrorKind::Internal => ExitStatus::FAILED,
    }
}
