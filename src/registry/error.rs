//! What can go wrong between the Engine and the registry.

use std::path::PathBuf;

use super::reference::InvalidAddress;
use crate::domain::ImageRef;

/// An image that is not in the registry. What it prints is for whoever pushed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// An address in the settings is none.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// The client could not be set up.
    #[error("the registry client cannot be set up")]
    Client(#[source] oci_distribution::errors::OciDistributionError),
    /// The password could not be read.
    #[error("the registry's password in {} cannot be read", .0.display())]
    Password(PathBuf, #[source] std::io::Error),
    /// The registry does not answer.
    #[error("the registry {0} cannot be reached")]
    Unreachable(String, #[source] Option<oci_distribution::errors::OciDistributionError>),
    /// The Engine does not get through to the registry.
    #[error("the Docker Engine cannot reach the registry {address}: {reason}")]
    OutOfReach {
        /// The registry's address.
        address: String,
        /// What the Engine said.
        reason: String,
    },
    /// The registry answers that it cannot work.
    #[error("the registry {address} does not work: it answers with HTTP status {status}")]
    Broken {
        /// Its address.
        address: String,
        /// What it answers with.
        status: u16,
        /// The rest of the answer.
        source: oci_distribution::errors::OciDistributionError,
    },
    /// The registry has no space left.
    #[error("the registry {0} is full: there is no space left on its disk")]
    Full(String, #[source] oci_distribution::errors::OciDistributionError),
    /// The registry wants other credentials.
    #[error("the registry {0} refuses slipway's credentials")]
    Refused(String, #[source] oci_distribution::errors::OciDistributionError),
    /// The Engine could not push.
    #[error("pushing to {address} failed: {reason}")]
    Push {
        /// The registry's address.
        address: String,
        /// What the Engine said.
        reason: String,
    },
    /// The push stood still.
    #[error("pushing to {0} made no progress for too long and was stopped")]
    Stalled(String),
    /// The Engine went away.
    #[error("the Docker Engine went away while it pushed the image")]
    Engine(#[source] bollard::errors::Error),
    /// The registry answered something else than what was asked for.
    #[error("the registry {0} did not say which image it has")]
    Answer(String, #[source] oci_distribution::errors::OciDistributionError),
    /// A request to delete an image failed.
    #[error("the registry could not be asked to delete an image")]
    Delete(#[source] reqwest::Error),
    /// The registry does not delete an image.
    #[error("the registry keeps {image}: it answers with HTTP status {status}")]
    Kept {
        /// The image.
        image: ImageRef,
        /// What it answers with.
        status: u16,
    },
    /// The tag names another image than the one that was pushed.
    #[error("somebody pushed another image over {0} at the same time: push again")]
    Mismatch(String),
}
