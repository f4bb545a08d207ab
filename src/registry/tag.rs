//! The name that an image has in the Engine for as long as it is pushed.

use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::query_parameters::{RemoveImageOptionsBuilder, TagImageOptionsBuilder};

use super::client::Registry;
use super::error::RegistryError;
use crate::domain::progress::clean;
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
        docker.tag_image(&image.id, Some(options)).await.map_err(|error| refused(registry, error))?;
        Ok(Self { docker, name: Some(registry.push.tagged(app, revision)), repository })
    }

    /// What the Engine has sent under this name.
    pub(super) async fn sent(&self) -> Result<Sent, RegistryError> {
        let name = self.name.clone().unwrap_or_default();
        let image = self.docker.inspect_image(&name).await.map_err(RegistryError::Engine)?;
        let digests = image.repo_digests.into_iter().flatten().collect();
        Ok(Sent { name, repository: self.repository.clone(), digests })
    }
}

/// What the Engine has sent.
pub(super) struct Sent {
    name: String,
    repository: String,
    /// The image's digests, with the repositories that have them.
    digests: Vec<String>,
}

impl Sent {
    /// Whether the registry has it.
    pub(super) fn check(self, digest: &Digest) -> Result<(), RegistryError> {
        let sent = format!("{}@{digest}", familiar(&self.repository));
        match self.digests.iter().any(|known| familiar(known) == sent) {
            true => Ok(()),
            false => Err(RegistryError::Mismatch(self.name)),
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

/// What the Engine says when it was reached and gives no tag.
fn refused(registry: &Registry, error: EngineError) -> RegistryError {
    match error {
        EngineError::DockerResponseServerError { message, .. } => {
            RegistryError::Push { address: registry.push.to_string(), reason: clean(&message) }
        }
        error => RegistryError::Engine(error),
    }
}

/// The Engine leaves out the host of what is on Docker Hub.
fn familiar(name: &str) -> &str {
    let on_the_hub = ["docker.io/", "index.docker.io/"].iter().find_map(|host| name.strip_prefix(host));
    on_the_hub.unwrap_or(name)
}

async fn untag(docker: &Docker, name: &str) {
    let options = RemoveImageOptionsBuilder::default().force(false).noprune(false).build();
    if let Err(error) = docker.remove_image(name, Some(options), None).await {
        tracing::debug!(image = name, %error, "tag stays in the Engine");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_docker_hub_are_compared_without_their_host() {
        for name in ["docker.io/acme/app", "index.docker.io/acme/app", "acme/app"] {
            assert_eq!(familiar(name), "acme/app");
        }
        assert_eq!(familiar("localhost:5000/acme/app"), "localhost:5000/acme/app");
    }

    #[test]
    fn why_the_engine_gives_no_tag_is_told() {
        let registry = Registry::new("localhost:1", "localhost:1", &[]).unwrap();
        let error = EngineError::DockerResponseServerError { status_code: 404, message: "no such image".into() };
        assert_eq!(refused(&registry, error).to_string(), "pushing to localhost:1 failed: no such image");
    }
}
