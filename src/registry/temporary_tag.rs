//! The Engine's tag for an image while it is pushed.

use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::query_parameters::{RemoveImageOptionsBuilder, TagImageOptionsBuilder};

use super::client::Registry;
use super::error::RegistryError;
use crate::domain::progress::strip_control;
use crate::domain::{AppName, BuiltImage, Digest, Revision};

/// A tag in the Engine. Dropping it removes the tag in the background.
pub(super) struct TemporaryTag<'a> {
    docker: &'a Docker,
    /// Image name and tag.
    name: String,
    repository: String,
}

impl<'a> TemporaryTag<'a> {
    pub(super) async fn add(
        docker: &'a Docker,
        registry: &Registry,
        image: &BuiltImage,
        app: &AppName,
        revision: Revision,
    ) -> Result<Self, RegistryError> {
        let repository = registry.push.image_name(app);
        let options = TagImageOptionsBuilder::default().repo(&repository).tag(&revision.to_string()).build();
        docker.tag_image(&image.id, Some(options)).await.map_err(|error| tagging_error(registry, error))?;
        Ok(Self { docker, name: registry.push.tagged_image(app, revision), repository })
    }

    /// The digests under which the Engine pushed the image.
    pub(super) async fn pushed_digests(&self) -> Result<PushedDigests, RegistryError> {
        let image = self.docker.inspect_image(&self.name).await.map_err(RegistryError::Engine)?;
        let digests = image.repo_digests.into_iter().flatten().collect();
        Ok(PushedDigests { tag: self.name.clone(), repository: self.repository.clone(), digests })
    }
}

impl Drop for TemporaryTag<'_> {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (docker, name) = (self.docker.clone(), std::mem::take(&mut self.name));
        runtime.spawn(async move { remove_tag(&docker, &name).await });
    }
}

pub(super) struct PushedDigests {
    tag: String,
    repository: String,
    /// `REPOSITORY@DIGEST`, for every repository to which the image was pushed.
    digests: Vec<String>,
}

impl PushedDigests {
    /// Checks that the Engine pushed the image with the digest that the registry has.
    pub(super) fn check_contains(self, digest: &Digest) -> Result<(), RegistryError> {
        let expected = format!("{}@{digest}", familiar_name(&self.repository));
        match self.digests.iter().any(|pushed| familiar_name(pushed) == expected) {
            true => Ok(()),
            false => Err(RegistryError::DigestMismatch(self.tag)),
        }
    }
}

fn tagging_error(registry: &Registry, error: EngineError) -> RegistryError {
    match error {
        EngineError::DockerResponseServerError { message, .. } => {
            RegistryError::PushFailed { address: registry.push.to_string(), reason: strip_control(&message) }
        }
        error => RegistryError::Engine(error),
    }
}

/// The name as the Engine prints it: without the host for an image on Docker Hub.
fn familiar_name(name: &str) -> &str {
    let on_docker_hub = ["docker.io/", "index.docker.io/"].iter().find_map(|host| name.strip_prefix(host));
    on_docker_hub.unwrap_or(name)
}

async fn remove_tag(docker: &Docker, name: &str) {
    let options = RemoveImageOptionsBuilder::default().force(false).noprune(false).build();
    if let Err(error) = docker.remove_image(name, Some(options), None).await {
        tracing::debug!(image = name, %error, "cannot remove a temporary tag from the Engine");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_docker_hub_are_compared_without_their_host() {
        for name in ["docker.io/acme/app", "index.docker.io/acme/app", "acme/app"] {
            assert_eq!(familiar_name(name), "acme/app");
        }
        assert_eq!(familiar_name("localhost:5000/acme/app"), "localhost:5000/acme/app");
    }

    #[test]
    fn a_tagging_error_has_the_message_of_the_engine() {
        let registry = Registry::new("localhost:1", "localhost:1", &[]).unwrap();
        let error = EngineError::DockerResponseServerError { status_code: 404, message: "no such image".into() };
        assert_eq!(tagging_error(&registry, error).to_string(), "pushing to localhost:1 failed: no such image");
    }
}
