//! Checks that the Engine reaches the registry: the Engine pushes, and may be on another machine than slipway.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as EngineError;

use super::client::{ANY_TAG, PROBE_REPOSITORY, Registry};
use super::error::RegistryError;
use crate::domain::progress::strip_control;

/// The Engine also has timeouts of its own.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(20);

impl Registry {
    /// Has the Engine inspect an image that is not in the registry. The Engine reaches the registry if the registry answers
    /// that the image does not exist or is not accessible.
    ///
    /// # Errors
    /// [`RegistryError::EngineCannotReach`] with the Engine's reason, or [`RegistryError::CredentialsRejected`].
    pub(crate) async fn check_from_engine(&self, docker: &Docker) -> Result<(), RegistryError> {
        let repository = self.push.sibling_repository(PROBE_REPOSITORY);
        let image = format!("{}/{repository}:{ANY_TAG}", self.push.host());
        let inspection = docker.inspect_registry_image(&image, self.engine_credentials());
        let reason = match tokio::time::timeout(ENGINE_TIMEOUT, inspection).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(EngineError::DockerResponseServerError { status_code: 404, .. })) => return Ok(()),
            Ok(Err(EngineError::DockerResponseServerError { status_code, message })) => {
                return self.interpret_engine_status(status_code, &message, &repository).await;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the Engine did not answer within {} s", ENGINE_TIMEOUT.as_secs()),
        };
        Err(self.engine_cannot_reach(&reason))
    }

    /// A status below 500 comes from the registry. The Engine reports missing credentials and hidden repositories with the
    /// same status, so the registry itself is asked whether it rejects slipway's credentials.
    pub(super) async fn interpret_engine_status(
        &self,
        status: u16,
        message: &str,
        repository: &str,
    ) -> Result<(), RegistryError> {
        match self.probe(repository).await {
            Err(rejected @ RegistryError::CredentialsRejected(..)) => Err(rejected),
            _ if status < 500 => Ok(()),
            _ => Err(self.engine_cannot_reach(message)),
        }
    }

    fn engine_cannot_reach(&self, reason: &str) -> RegistryError {
        RegistryError::EngineCannotReach { address: self.push.to_string(), reason: strip_control(reason) }
    }
}
