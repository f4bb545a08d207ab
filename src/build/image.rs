//! Images in the Engine.

use bollard::Docker;
use bollard::models::ImageInspect;
use bollard::query_parameters::RemoveImageOptionsBuilder;

use super::engine::Engine;
use super::error::BuildError;
use super::plan::local_tag;
use crate::domain::{AppName, BuiltImage};

pub(super) async fn inspect_image(docker: &Docker, id: &str) -> Result<BuiltImage, BuildError> {
    let image = docker.inspect_image(id).await.map_err(BuildError::UnusableAnswer)?;
    Ok(to_built_image(id, image))
}

fn to_built_image(id: &str, image: ImageInspect) -> BuiltImage {
    let config = image.config.unwrap_or_default();
    BuiltImage {
        id: id.to_owned(),
        exposed_port: lowest_tcp_port(&config.exposed_ports.unwrap_or_default()),
        user: config.user.unwrap_or_default(),
        has_healthcheck: config.healthcheck.and_then(|check| check.test).is_some_and(|test| is_check(&test)),
    }
}

/// Whether a health check runs a command: `HEALTHCHECK NONE` disables that of the base image.
fn is_check(test: &[String]) -> bool {
    test.first().is_some_and(|kind| kind != "NONE")
}

/// The lowest TCP port in a list such as `8080/tcp`, `53/udp`.
fn lowest_tcp_port(ports: &[String]) -> Option<u16> {
    let tcp = ports.iter().filter_map(|port| match port.split_once('/') {
        Some((number, "tcp")) => number.parse().ok(),
        Some(_) => None,
        None => port.parse().ok(),
    });
    tcp.filter(|port| *port > 0).min()
}

pub(super) async fn find_image_id(docker: &Docker, name: &str) -> Option<String> {
    docker.inspect_image(name).await.ok()?.id
}

/// Removes a name, and the image if this was its last name and no container uses it.
pub(super) async fn remove_image(docker: &Docker, name: &str) {
    let options = RemoveImageOptionsBuilder::default().force(false).noprune(false).build();
    if let Err(error) = docker.remove_image(name, Some(options), None).await {
        tracing::debug!(image = name, %error, "cannot remove the image from the Engine");
    }
}

/// The image of an app in the Engine, from the end of its build until the registry has it. If it is dropped earlier,
/// such as by a cancelled deploy, the image is removed in the background.
///
/// BuildKit has a cache of its own and does not need the image. The cache of the classic builder consists of images:
/// there the newest image of each app stays until the next build replaces it.
#[derive(Debug)]
pub struct LocalImage {
    engine: Engine,
    tag: Option<String>,
}

impl LocalImage {
    pub fn new(engine: &Engine, tag: &str) -> Self {
        Self { engine: engine.clone(), tag: Some(tag.to_owned()) }
    }

    /// Removes the image from the Engine, unless the classic builder needs it as a cache.
    pub async fn discard(mut self) {
        if let Some(tag) = self.tag.take() {
            discard_image(&self.engine, &tag).await;
        }
    }
}

impl Drop for LocalImage {
    fn drop(&mut self) {
        let (Some(tag), Ok(runtime)) = (self.tag.take(), tokio::runtime::Handle::try_current()) else { return };
        let engine = self.engine.clone();
        runtime.spawn(async move { discard_image(&engine, &tag).await });
    }
}

/// Removes the newest image of an app that is deleted, with the cache that it is to the classic builder.
pub async fn remove_app_image(engine: &Engine, app: &AppName) -> Result<(), BuildError> {
    remove_image(&engine.client().await?, &local_tag(app)).await;
    Ok(())
}

async fn discard_image(engine: &Engine, tag: &str) {
    match engine.client_for_build().await {
        Ok((docker, true)) => remove_image(&docker, tag).await,
        Ok((_, false)) => {}
        Err(error) => tracing::debug!(image = tag, %error, "cannot remove the image from the Engine"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_tcp_port_is_the_exposed_port() {
        let ports = |list: &[&str]| lowest_tcp_port(&list.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        assert_eq!(ports(&[]), None);
        assert_eq!(ports(&["9090/tcp", "8080/tcp"]), Some(8080));
        assert_eq!(ports(&["53/udp", "8080/tcp"]), Some(8080));
        assert_eq!(ports(&["53/udp"]), None);
        assert_eq!(ports(&["80"]), Some(80));
        assert_eq!(ports(&["0/tcp", "99999/tcp"]), None);
    }
}
