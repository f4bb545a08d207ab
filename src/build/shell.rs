//! Whether an image has a shell.

use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder,
};
use uuid::Uuid;

use super::engine::Engine;
use super::error::BuildError;

const SHELL: &str = "/bin/sh";

/// Looks for `/bin/sh` in an image, by a container that is never started.
///
/// # Errors
/// [`BuildError`] if the Engine cannot be asked.
pub async fn has_shell(engine: &Engine, image_id: &str) -> Result<bool, BuildError> {
    let docker = engine.client().await?;
    let name = format!("slipway-shell-{}", Uuid::new_v4());
    let body = ContainerCreateBody {
        image: Some(image_id.to_owned()),
        // An image without a command could not become a container.
        cmd: Some(vec![SHELL.to_owned()]),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    docker.create_container(Some(options), body).await.map_err(BuildError::UnusableAnswer)?;
    let found = find_shell(&docker, &name).await;
    let force = RemoveContainerOptionsBuilder::default().force(true).build();
    if let Err(error) = docker.remove_container(&name, Some(force)).await {
        tracing::warn!(container = name, %error, "cannot remove a container that was never started");
    }
    found
}

async fn find_shell(docker: &Docker, container: &str) -> Result<bool, BuildError> {
    let options = ContainerArchiveInfoOptionsBuilder::default().path(SHELL).build();
    match docker.get_container_archive_info(container, Some(options)).await {
        Ok(_) => Ok(true),
        Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
        Err(error) => Err(BuildError::UnusableAnswer(error)),
    }
}
