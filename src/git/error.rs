//! Errors of repositories and git processes.

use std::io;
use std::process::ExitStatus;

use tokio::process::Command;

/// A failed git operation. `Display` is for the pusher; the log has the sources as well.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("slipway could not {action}")]
    Io {
        /// An infinitive, such as `start git`.
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("git failed on the server")]
    CommandFailed(#[source] CommandFailure),
    #[error("{path} is larger than {limit} bytes")]
    FileTooLarge { path: String, limit: u64 },
    #[error("{path} is a link out of the repository, to nothing or to itself: commit the file itself")]
    BrokenLink { path: String },
    #[error("the tree of this commit is too large: the limits are {entries} files and {bytes} bytes")]
    TreeTooLarge { entries: u64, bytes: u64 },
    #[error("this repository has more than {0} branches and tags: delete some of them")]
    TooManyRefs(usize),
    #[error("another slipway is using this data directory")]
    DataDirInUse,
    #[error("the data directory's path {0}")]
    InvalidDataDirPath(&'static str),
    #[error("slipway's pre-receive hook in the data directory cannot be executed; is the file system mounted noexec?")]
    HookNotExecutable(#[source] io::Error),
    #[error("slipway needs git 2.39 or newer, but `git version` on the search path prints {0:?}")]
    UnsupportedGitVersion(String),
    #[error("the pre-receive hook did not send its request in time")]
    HookTimedOut,
    #[error("the pre-receive hook sent an invalid request")]
    HookProtocol(#[source] serde_json::Error),
}

impl GitError {
    /// For `map_err`: wraps an I/O error with the action that failed.
    pub(super) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// A git process that ended with a failure, for the log.
#[derive(Debug, thiserror::Error)]
#[error("git {subcommand}: {status}: {stderr}")]
pub struct CommandFailure {
    subcommand: String,
    pub(super) status: ExitStatus,
    /// The beginning of the process's standard error.
    stderr: String,
}

impl CommandFailure {
    pub(super) fn new(command: &Command, status: ExitStatus, stderr: String) -> Self {
        let subcommand = command.as_std().get_args().next().unwrap_or_default().to_string_lossy().into_owned();
        Self { subcommand, status, stderr }
    }
}
