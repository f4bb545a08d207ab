//! A client of git, as a front door connects it.

use std::{io, process};

use tokio_util::sync::CancellationToken;

use crate::domain::CancelHandle;
use crate::git::ServiceProcess;

/// The front door's side of a git service: copies bytes between the client and git.
pub trait GitClient: Send {
    /// Connects the client to the git process until the process has ended. If the client disconnects or slipway stops,
    /// `cancel` decides: before the commit point git is terminated, afterwards it runs to its end and its output is
    /// discarded.
    fn exchange(self, session: GitSession<'_>) -> impl Future<Output = io::Result<GitExit>> + Send;
}

/// A git process that waits for its client.
pub struct GitSession<'a> {
    pub git: ServiceProcess,
    pub cancel: &'a CancelHandle,
    /// Cancelled when the drain timeout of a shutdown is over.
    pub stop: &'a CancellationToken,
    /// Cancelled when someone waits until this session ends. A client that has sent nothing yet is then ended.
    pub claimed: Option<&'a CancellationToken>,
}

/// How a git process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitExit {
    /// With this exit status.
    Code(u8),
    /// By a signal, or because its client was gone.
    Killed,
}

impl GitExit {
    pub const SUCCESS: Self = Self::Code(0);
}

impl From<process::ExitStatus> for GitExit {
    fn from(status: process::ExitStatus) -> Self {
        status.code().and_then(|code| u8::try_from(code).ok()).map_or(Self::Killed, Self::Code)
    }
}
