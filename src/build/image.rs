//! Images in the Engine.

use bollard::Docker;
use bollard::models::ImageInspect;
use bollard::query_parameters::RemoveImageOptionsBuilder;

use super::engine::Engine;
use super::error::BuildError;
use crate::domain::BuiltImage;

/// What the Engine knows of an image it has built.
pub(super) async fn inspect(docker: &Docker, id: &str) -> Result<BuiltImage, BuildError> {
    let image = docker.inspect_image(id).await.map_err(BuildError::Inspect)?;
    Ok(built(id, image))
}

fn built(id: &str, image: ImageInspect) -> BuiltImage {
    let config = image.config.unwrap_or_default();
    BuiltImage {
        id: id.to_owned(),
        exposed_port: lowest_tcp_port(&config.exposed_ports.unwrap_or_default()),
        user: config.user.unwrap_or_default(),
    }
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

/// The image that a name stands for, if there is one.
pub(super) async fn id_of(docker: &Docker, name: &str) -> Option<String> {
    docker.inspect_image(name).await.ok()?.id
}

/// Removes a name, and the image if this was its last one. What is still used stays.
pub(super) async fn remove(docker: &Docker, name: &str) {
    let options = RemoveImageOptionsBuilder::default().force(false).noprune(false).build();
    if let Err(error) = docker.remove_image(name, Some(options), None).await {
        tracing::debug!(image = name, %error, "image stays in the Engine");
    }
}

/// The image of an app in the Engine, from the end of its build until the registry has it. Dropped
/// before that, such as when a deploy is cancelled, it is removed in the background.
///
/// BuildKit has a cache of its own, so the image goes. The classic builder's cache is its images:
/// there the newest image of each app stays, and the next build takes its place.
#[derive(Debug)]
pub struct LocalImage {
    engine: Engine,
    tag: Option<String>,
}

impl LocalImage {
    /// Takes care of the image that a build has named `tag`.
    pub fn new(engine: &Engine, tag: &str) -> Self {
        Self { engine: engine.clone(), tag: Some(tag.to_owned()) }
    }

    /// Removes the image from the Engine, where the builder does not need it.
    pub async fn discard(mut self) {
        if let Some(tag) = self.tag.take() {
            discard(&self.engine, &tag).await;
        }
    }
}

impl Drop for LocalImage {
    fn drop(&mut self) {
        let (Some(tag), Ok(runtime)) = (self.tag.take(), tokio::runtime::Handle::try_current()) else { return };
        let engine = self.engine.clone();
        runtime.spawn(async move { discard(&engine, &tag).await });
    }
}

async fn discard(engine: &Engine, tag: &str) {
    match engine.builder().await {
        Ok((docker, true)) => remove(&docker, tag).await,
        Ok((_, false)) => {}
        Err(error) => tracing::debug!(image = tag, %error, "image stays in the Engine"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_tcp_port_counts() {
        let ports = |list: &[&str]| lowest_tcp_port(&list.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        assert_eq!(ports(&[]), None);
        assert_eq!(ports(&["9090/tcp", "8080/tcp"]), Some(8080));
        assert_eq!(ports(&["53/udp", "8080/tcp"]), Some(8080));
        assert_eq!(ports(&["53/udp"]), None);
        assert_eq!(ports(&["80"]), Some(80));
        assert_eq!(ports(&["0/tcp", "99999/tcp"]), None);
    }
}
