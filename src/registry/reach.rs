//! Whether the Engine gets through to the registry: it is the Engine that pushes, and it may be on another machine.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as EngineError;

use super::client::{REPOSITORY, Registry};
use super::error::RegistryError;
use crate::domain::progress::clean;

/// How long the Engine may take, which has time-outs of its own.
const PATIENCE: Duration = Duration::from_secs(20);
/// A tag that does not have to be there.
const TAG: &str = "none";

impl Registry {
    /// Has the Engine ask the registry about an image that is not there. That the registry says so, or keeps it to itself,
    /// is proof.
    ///
    /// # Errors
    /// [`RegistryError::OutOfReach`] with the Engine's reason, [`RegistryError::Refused`] if the credentials are at fault.
    pub async fn reached_by(&self, docker: &Docker) -> Result<(), RegistryError> {
        let repository = self.push.in_place_of_an_app(REPOSITORY);
        let image = format!("{}/{repository}:{TAG}", self.push.host());
        let asked = docker.inspect_registry_image(&image, self.engine_credentials());
        let reason = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(EngineError::DockerResponseServerError { status_code: 404, .. })) => return Ok(()),
            Ok(Err(EngineError::DockerResponseServerError { status_code, message })) => {
                return self.judge(status_code, &message, &repository).await;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it has not answered for {} s", PATIENCE.as_secs()),
        };
        Err(self.out_of_reach(&reason))
    }

    /// What the Engine's answer means. Below 500 it is the registry's own; of what it says when the registry wants a
    /// password that nobody gave it, or hides what is not there, only the registry can tell whether it is at fault.
    pub(super) async fn judge(&self, status: u16, message: &str, repository: &str) -> Result<(), RegistryError> {
        match self.answers(repository).await {
            Err(refused @ RegistryError::Refused(..)) => Err(refused),
            _ if status < 500 => Ok(()),
            _ => Err(self.out_of_reach(message)),
        }
    }

    fn out_of_reach(&self, reason: &str) -> RegistryError {
        RegistryError::OutOfReach { address: self.push.to_string(), reason: clean(reason) }
    }
}
