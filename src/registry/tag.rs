//! The name that an image has in the Engine for as long as it is pushed.

use bollard::Docker;
use bollard::query_parameters::{RemoveImageOptionsBuilder, TagImageOptionsBuilder};

use super::client::Registry;
use super::error::RegistryError;
use crate::domain::{AppName, BuiltImage, Digest, Revision};

/// The name that the image has in the Engine while it is pushed.
pub(super) struct Tag<'a> {
    docker: &'a Docker,
    /// Name and tag, until it is removed.
    name: Option<String>,
    repository: String,
}

impl<'a> Tag<'a> {
    pub(super) async fn add(
        docker: &'a Docker,
        registry: &Registry,
        image: &BuiltImage,
        app: &AppName,
        revision: Revision,
    ) -> Result<Self, RegistryError> {
        let repository = registry.push.name(app);
        let options = TagImageOptionsBuilder::default().repo(&repository).tag(&revision.to_string()).build();
        docker.tag_image(&image.id, Some(options)).await.map_err(RegistryError::Engine)?;
        Ok(Self { docker, name: Some(registry.push.tagged(app, revision)), repository })
    }

    /// Whether the registry has what the Engine sent.
    pub(super) async fn check(&self, digest: &Digest) -> Result<(), RegistryError> {
        let name = self.name.as_deref().unwrap_or_default();
        let image = self.docker.inspect_image(name).await.map_err(RegistryError::Engine)?;
        let sent = format!("{}@{digest}", self.repository);
        match image.repo_digests.iter().flatten().any(|known| *known == sent) {
            true => Ok(()),
            false => Err(RegistryError::Mismatch(name.to_owned())),
        }
    }

    pub(super) async fn remove(mut self) {
        if let Some(name) = self.name.take() {
            untag(self.docker, &name).await;
        }
    }
}

impl Drop for Tag<'_> {
    fn drop(&mut self) {
        let (Some(name), Ok(runtime)) = (self.name.take(), tokio::runtime::Handle::try_current()) else { return };
        let docker = self.docker.clone();
        runtime.spawn(async move { untag(&docker, &name).await });
    }
}

async fn untag(docker: &Docker, name: &str) {
    let options = RemoveImageOptionsBuilder::default().force(false).noprune(false).build();
    if let Err(error) = docker.remove_image(name, Some(options), None).await {
        tracing::debug!(image = name, %error, "tag stays in the Engine");
    }
}
