//! What can go wrong in a build.

use std::time::Duration;

use super::context::ContextError;
use super::tls;

/// A build that gave no image. What it prints is for whoever pushed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The address of the Engine is none.
    #[error("{0:?} is not the address of a Docker Engine: use unix://PATH, tcp://HOST:PORT or http://HOST:PORT")]
    Address(String),
    /// There is nothing to secure.
    #[error("only an Engine at tcp://HOST:PORT is spoken to with TLS")]
    NoTls,
    /// What is needed for TLS is not there, or not that.
    #[error("{path}: {reason}")]
    Certificates {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers at the Engine's address, or what answers is no Engine.
    #[error("the Docker Engine cannot be reached")]
    EngineUnreachable(#[source] bollard::errors::Error),
    /// Slipway and the Engine do not trust each other.
    #[error("the Docker Engine cannot be reached, for TLS fails: {reason}")]
    Distrust {
        /// Who does not trust whom, and why.
        reason: String,
        /// The error in which that was found.
        source: bollard::errors::Error,
    },
    /// The connection to the Engine ended before the build did.
    #[error("the Docker Engine went away during the build")]
    EngineGone(#[source] Option<bollard::errors::Error>),
    /// The build took too long.
    #[error("the build took longer than {} and was stopped", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// A step failed, or the Dockerfile is wrong.
    #[error("the build failed{}: {reason}", at(.step.as_deref()))]
    Failed {
        /// The step, as the builder names it.
        step: Option<String>,
        /// What the builder said.
        reason: String,
    },
    /// The tree cannot be sent to the Engine.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// No thread could be started for the build, or it ended in a panic.
    #[error("slipway could not run the build")]
    Thread(#[source] std::io::Error),
    /// The Engine gave an answer that makes no sense of a build.
    #[error("the Docker Engine could not be asked about the image that it built")]
    Inspect(#[source] bollard::errors::Error),
}

impl BuildError {
    /// What it means that the Engine gave no answer.
    pub(super) fn unreachable(source: bollard::errors::Error) -> Self {
        match tls::fault(&source).map(ToString::to_string) {
            Some(reason) => Self::Distrust { reason, source },
            None => Self::EngineUnreachable(source),
        }
    }
}

fn at(step: Option<&str>) -> String {
    step.map(|step| format!(" at {step}")).unwrap_or_default()
}

/// Whether the connection itself failed, as opposed to the Engine saying no.
pub(super) fn is_transport(error: &bollard::errors::Error) -> bool {
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
