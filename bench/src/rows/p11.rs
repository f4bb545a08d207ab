//! P11: one changed layer on its way to the registry: time, and bytes as a proxy in front of the registry counts them.

use std::time::Instant;

use anyhow::{Context, Result};
use bollard::Docker;
use slipway::build::Engine;
use slipway::domain::{AppName, BuiltImage, Progress, Revision};
use slipway::registry::{self, Registry};
use tempfile::TempDir;

use crate::app::{self, BASE};
use crate::measure::{Effort, rounds};
use crate::program::{command, run, timed};
use crate::proxy::Counter;
use crate::row::{Goal, Ratio, Row, Title};
use crate::world::World;

const BESIDE: &str = "docker push";
const BYTES: Title = Title { id: "P11", what: "bytes of one changed layer", beside: BESIDE };
const TIME: Title = Title { id: "P11", what: "pushing one changed layer", beside: BESIDE };
/// The size of the layer: random bytes, which no compression makes smaller.
const LAYER: usize = 10_000_000;

/// Measures them.
///
/// # Errors
/// If a push fails.
pub async fn rows(world: &World) -> Result<Vec<Row>> {
    world.size("P11 layer", format!("{LAYER} bytes"));
    let effort = world.effort(Effort::USUAL, Effort::of(1, 3));
    let scene = Scene::set(world).await?;
    let mut revision = Revision(0);
    let measured = rounds(effort, async || {
        revision = revision.next();
        let (seconds, bytes) = scene.ours(world, revision).await?;
        let (their_seconds, their_bytes) = scene.theirs(world, revision).await?;
        Ok([seconds, their_seconds, bytes, their_bytes])
    });
    let [seconds, their_seconds, bytes, their_bytes] = measured.await?;
    Ok(vec![
        Row::measured(BYTES, "bytes", Ratio::OursToTheirs, Goal::AtMost(1.02), &bytes, &their_bytes)
            .noted("everything that is sent to the registry, requests included; both push through one Engine"),
        Row::measured(TIME, "s", Ratio::OursToTheirs, Goal::AtMost(1.0), &seconds, &their_seconds)
            .noted("slipway's has the question for the digest in it, and no program's start"),
    ])
}

/// A registry behind a proxy, and an image of which one layer changes.
struct Scene {
    counter: Counter,
    registry: Registry,
    address: String,
    docker: Docker,
    app: AppName,
    dir: TempDir,
}

impl Scene {
    async fn set(world: &World) -> Result<Self> {
        app::base_image(world).await?;
        let counter = Counter::to(&world.registry).await?;
        let address = format!("localhost:{}", counter.address.port());
        let dir = TempDir::new_in(world.disk.path()).context("cannot make a directory")?;
        std::fs::write(dir.path().join("Dockerfile"), format!("FROM {BASE}\nCOPY layer /\n"))
            .context("no Dockerfile")?;
        Ok(Self {
            registry: Registry::new(&address, &address, &[]).context("no registry")?,
            docker: Engine::connect(&world.engine).context("no Engine")?.client().await.context("no Engine")?,
            app: format!("bench-{}-p11", std::process::id()).parse().context("not a name")?,
            counter,
            address,
            dir,
        })
    }

    async fn ours(&self, world: &World, revision: Revision) -> Result<(f64, f64)> {
        let id = self.build(world, &format!("slipway-bench/p11-ours:{revision}")).await?;
        let image = BuiltImage { id, exposed_port: None, user: String::new() };
        let (progress, _) = Progress::channel();
        let (before, began) = (self.counter.sent(), Instant::now());
        let published = registry::publish(&self.docker, &self.registry, &image, &self.app, revision, &progress).await;
        let seconds = began.elapsed().as_secs_f64();
        published.context("slipway cannot push")?;
        Ok((seconds, self.sent_since(before)))
    }

    async fn theirs(&self, world: &World, revision: Revision) -> Result<(f64, f64)> {
        let name = format!("{}/{}:theirs-{revision}", self.address, self.app);
        self.build(world, &name).await?;
        let before = self.counter.sent();
        let seconds = timed(command("docker").args(["push", "-q", &name])).await?;
        Ok((seconds, self.sent_since(before)))
    }

    /// Builds an image with a new layer: its id.
    async fn build(&self, world: &World, name: &str) -> Result<String> {
        world.image(name);
        let noise: Vec<u8> = std::iter::repeat_with(rand::random).take(LAYER).collect();
        std::fs::write(self.dir.path().join("layer"), noise).context("cannot write a layer")?;
        let mut build = command("docker");
        build.args(["build", "-q", "-t", name]).arg(self.dir.path());
        run(&mut build).await
    }

    fn sent_since(&self, before: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a few millions")]
        let sent = (self.counter.sent() - before) as f64;
        sent
    }
}
