//! What goes wrong between slipway and git.

use std::io;
use std::process::ExitStatus;

/// A failure in this room. `Display` is for the pusher; the log reads the sources.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The file system or the process table did not do what was asked.
    #[error("slipway could not {doing}")]
    Io {
        /// What was tried, as it fits the sentence.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A git process failed.
    #[error("git failed on the server")]
    Failed(#[source] Failure),
    /// A file is larger than what slipway reads.
    #[error("{path} is larger than {limit} bytes")]
    FileTooLarge {
        /// The file's path in the tree.
        path: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The tree has more in it than slipway archives.
    #[error("the tree of this commit is too large: the limits are {entries} files and {bytes} bytes")]
    TreeTooLarge {
        /// How many entries are allowed.
        entries: u64,
        /// How many bytes are allowed.
        bytes: u64,
    },
    /// The repository has more refs than slipway reads.
    #[error("this repository holds more than {0} branches and tags: delete some of them")]
    TooManyRefs(usize),
    /// Another process holds the lock of the data directory.
    #[error("another slipway is using this data directory")]
    DataDirInUse,
    /// The data directory's path can't be used.
    #[error("the data directory's path {0}")]
    DataDirPath(&'static str),
    /// The hook can't be executed.
    #[error("slipway's pre-receive hook in the data directory can't be executed; is the file system mounted noexec?")]
    Hook(#[source] io::Error),
    /// git is older than what slipway relies on.
    #[error("git 2.39 or newer is needed, and the one on the search path says {0:?}")]
    GitVersion(String),
    /// What connected to the hook socket did not speak the hook's protocol.
    #[error("the pre-receive hook did not say what was pushed")]
    HookProtocol(#[source] Option<serde_json::Error>),
}

impl GitError {
    /// For `map_err`: an I/O error and what was being done.
    pub(super) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

/// How a git process ended, for the log.
#[derive(Debug, thiserror::Error)]
#[error("git {command}: {status}: {stderr}")]
pub struct Failure {
    /// The subcommand.
    pub command: String,
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to standard error, at least its beginning.
    pub stderr: String,
}
