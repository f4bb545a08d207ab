//! The errors of a build.

use std::time::Duration;

use super::build_log::missing_path;
use super::context::ContextError;
use super::tls_error::find_tls_error;

/// The pusher reads these messages.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{0:?} is not the address of a Docker Engine: use unix://PATH, tcp://HOST:PORT or http://HOST:PORT")]
    InvalidAddress(String),
    #[error("only an Engine at tcp://HOST:PORT can be used with TLS")]
    TlsNeedsTcp,
    /// A file of [`super::EngineTls`] is missing or invalid.
    #[error("{path}: {reason}")]
    InvalidTlsFile { path: String, reason: String },
    /// Nothing answers at the Engine's address, or something other than an Engine.
    #[error("the Docker Engine cannot be reached")]
    EngineUnreachable(#[source] bollard::errors::Error),
    /// Slipway or the Engine rejects the certificate of the other.
    #[error("the Docker Engine cannot be reached, because TLS fails: {reason}")]
    Tls {
        reason: String,
        /// The client's error that contains the TLS error.
        source: bollard::errors::Error,
    },
    /// The connection or the Engine's answer ended before the build did.
    #[error("the connection to the Docker Engine was lost during the build; push again")]
    EngineGone(#[source] Option<bollard::errors::Error>),
    #[error("the build took longer than {} and was stopped", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// A step failed, or the Dockerfile is invalid.
    #[error("the build failed{}: {reason}", describe_step(.step.as_deref()))]
    Failed {
        /// The step, as the builder names it.
        step: Option<String>,
        /// The builder's message.
        reason: String,
    },
    /// The build context cannot be sent to the Engine.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The thread of the build could not be started, or it panicked.
    #[error("slipway could not run the build")]
    Thread(#[source] std::io::Error),
    #[error("the Docker Engine gave no usable answer about the build")]
    UnusableAnswer(#[source] bollard::errors::Error),
}

impl BuildError {
    /// Distinguishes a TLS failure from an unreachable Engine.
    pub(super) fn from_failed_connection(source: bollard::errors::Error) -> Self {
        match find_tls_error(&source).map(ToString::to_string) {
            Some(reason) => Self::Tls { reason, source },
            None => Self::EngineUnreachable(source),
        }
    }

    /// Adds to the failure of a `COPY` that its file is there, but ignored.
    pub(super) fn with_ignored_path(self, is_ignored: impl FnOnce(&str) -> bool) -> Self {
        match self {
            Self::Failed { step, reason } => {
                let ignored = missing_path(&reason).filter(|path| is_ignored(path));
                let hint = ignored.map(|path| format!("\n.dockerignore excludes {path:?} from the build"));
                Self::Failed { step, reason: reason.clone() + hint.as_deref().unwrap_or_default() }
            }
            error => error,
        }
    }

    /// Classifies an error of the Engine's client during a build. `from_message` gets the message of an error that the
    /// Engine itself reports.
    pub(super) fn classify(error: bollard::errors::Error, from_message: impl FnOnce(String) -> Self) -> Self {
        use bollard::errors::Error::{DockerResponseServerError, DockerStreamError};
        match error {
            DockerResponseServerError { message, .. } => from_message(message),
            DockerStreamError { error } => from_message(error),
            error if is_connection_error(&error) => Self::EngineGone(Some(error)),
            error => Self::UnusableAnswer(error),
        }
    }
}

fn describe_step(step: Option<&str>) -> String {
    step.map(|step| format!(" at {step}")).unwrap_or_default()
}

/// Whether the connection failed, as opposed to the Engine reporting an error.
fn is_connection_error(error: &bollard::errors::Error) -> bool {
    use bollard::errors::Error::{
        HyperLegacyError, HyperResponseError, IOError, RequestTimeoutError, SocketNotFoundError,
    };
    matches!(
        error,
        HyperLegacyError { .. }
            | HyperResponseError { .. }
            | IOError { .. }
            | RequestTimeoutError
            | SocketNotFoundError(_)
    )
}
