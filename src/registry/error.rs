//! Errors of the registry, and of the Engine when it pushes to the registry.

use std::path::PathBuf;

use oci_distribution::errors::OciDistributionError;

use super::reference::InvalidAddress;
use crate::domain::ImageRef;

/// Why an image is not in the registry, or not out of it. The pusher reads the message; the sources are for the log.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error(transparent)]
    InvalidAddress(#[from] InvalidAddress),
    #[error("the registry client cannot be set up")]
    ClientSetup(#[source] OciDistributionError),
    #[error("the registry password file {} cannot be read", .0.display())]
    PasswordFile(PathBuf, #[source] std::io::Error),
    #[error("the registry {0} cannot be reached")]
    Unreachable(String, #[source] Option<OciDistributionError>),
    /// `reason` is the Engine's message.
    #[error("the Docker Engine cannot reach the registry {address}: {reason}")]
    EngineCannotReach { address: String, reason: String },
    /// The registry answered with a server error (5xx).
    #[error("the registry {address} is failing: it answered with HTTP status {status}")]
    ServerError { address: String, status: u16, source: OciDistributionError },
    #[error("the registry {0} is full: there is no space left on its disk")]
    Full(String, #[source] OciDistributionError),
    #[error("the registry {0} refuses slipway's credentials")]
    CredentialsRejected(String, #[source] OciDistributionError),
    /// The Engine reported a failed push; `reason` is its message.
    #[error("pushing to {address} failed: {reason}")]
    PushFailed { address: String, reason: String },
    #[error("the push to the registry {0} made no progress for too long and was stopped: push again")]
    PushStalled(String),
    #[error("the Docker Engine failed while it pushed the image: push again")]
    Engine(#[source] bollard::errors::Error),
    #[error("the registry {0} gave an unexpected answer")]
    UnexpectedAnswer(String, #[source] OciDistributionError),
    #[error("the request to delete an image from the registry failed")]
    DeleteFailed(#[source] reqwest::Error),
    #[error("the registry did not delete {image}: it answered with HTTP status {status}")]
    DeleteRefused { image: ImageRef, status: u16 },
    /// The registry's tag has another digest than the image that the Engine pushed.
    #[error("another push replaced the image {0} in the registry at the same time: push again")]
    DigestMismatch(String),
}
