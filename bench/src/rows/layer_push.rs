//! P11: pushing an image with one changed layer to the registry: the time, and the bytes that a proxy counts.

use std::time::Instant;

use anyhow::{Context, Result};
use bollard::Docker;
use slipway::build::Engine;
use slipway::domain::{AppName, BuiltImage, Progress, Revision};
use slipway::registry::{self, Registry};
use tempfile::TempDir;

use crate::command::{command, run, run_timed};
use crate::environment::BenchEnv;
use crate::measurement::{Goal, Measurement, Ratio, Title};
use crate::proxy::CountingProxy;
use crate::sampling::{SamplePlan, sample_rounds};
use crate::test_app::{self, BASE_IMAGE};

const DOCKER_PUSH: &str = "docker push";
const BYTES: Title = Title { id: "P11", what: "bytes of one changed layer", baseline: DOCKER_PUSH };
const TIME: Title = Title { id: "P11", what: "pushing one changed layer", baseline: DOCKER_PUSH };
/// The size of the layer in bytes. Its content is random, so that it cannot be compressed.
const LAYER_SIZE: usize = 10_000_000;

pub async fn measure(env: &BenchEnv) -> Result<Vec<Measurement>> {
    env.record_size("P11 layer", format!("{LAYER_SIZE} bytes"));
    let plan = env.plan(SamplePlan::DEFAULT, SamplePlan::new(1, 3));
    let fixture = Fixture::prepare(env).await?;
    let mut revision = Revision(0);
    let measured = sample_rounds(plan, async || {
        revision = revision.next();
        let (seconds, bytes) = fixture.push_with_slipway(env, revision).await?;
        let (their_seconds, their_bytes) = fixture.push_with_docker(env, revision).await?;
        Ok([seconds, their_seconds, bytes, their_bytes])
    });
    let [seconds, their_seconds, bytes, their_bytes] = measured.await?;
    Ok(vec![
        Measurement::from_samples(BYTES, "bytes", Ratio::OursToTheirs, Goal::AtMost(1.02), &bytes, &their_bytes)
            .with_note(
                "all bytes that are sent to the registry, including requests; both push through the same Engine",
            ),
        Measurement::from_samples(TIME, "s", Ratio::OursToTheirs, Goal::AtMost(1.0), &seconds, &their_seconds)
            .with_note("slipway's time includes the request for the digest, and no process start"),
    ])
}

/// A registry behind a proxy, and an image of which one layer changes.
struct Fixture {
    proxy: CountingProxy,
    registry: Registry,
    address: String,
    docker: Docker,
    app: AppName,
    dir: TempDir,
}

impl Fixture {
    async fn prepare(env: &BenchEnv) -> Result<Self> {
        test_app::build_base_image(env).await?;
        let proxy = CountingProxy::start(&env.registry).await?;
        let address = format!("localhost:{}", proxy.address.port());
        let dir = TempDir::new_in(env.disk.path()).context("cannot make a directory")?;
        std::fs::write(dir.path().join("Dockerfile"), format!("FROM {BASE_IMAGE}\nCOPY layer /\n"))
            .context("cannot write a Dockerfile")?;
        Ok(Self {
            registry: Registry::new(&address, &address, &[]).context("invalid registry address")?,
            docker: Engine::from_url(&env.engine)
                .context("invalid Engine URL")?
                .client()
                .await
                .context("cannot connect to the Engine")?,
            app: format!("bench-{}-p11", std::process::id()).parse().context("invalid name")?,
            proxy,
            address,
            dir,
        })
    }

    async fn push_with_slipway(&self, env: &BenchEnv, revision: Revision) -> Result<(f64, f64)> {
        let id = self.build(env, &format!("slipway-bench/p11-ours:{revision}")).await?;
        let image = BuiltImage { id, exposed_port: None, user: String::new(), has_healthcheck: false };
        let (progress, _) = Progress::channel();
        let (before, began) = (self.proxy.sent_bytes(), Instant::now());
        let published = registry::publish(&self.docker, &self.registry, &image, &self.app, revision, &progress).await;
        let seconds = began.elapsed().as_secs_f64();
        published.context("slipway cannot push")?;
        Ok((seconds, self.sent_since(before)))
    }

    async fn push_with_docker(&self, env: &BenchEnv, revision: Revision) -> Result<(f64, f64)> {
        let name = format!("{}/{}:theirs-{revision}", self.address, self.app);
        self.build(env, &name).await?;
        let before = self.proxy.sent_bytes();
        let seconds = run_timed(command("docker").args(["push", "-q", &name])).await?;
        Ok((seconds, self.sent_since(before)))
    }

    /// Builds an image with a new layer, and returns its id.
    async fn build(&self, env: &BenchEnv, name: &str) -> Result<String> {
        env.track_image(name);
        let noise: Vec<u8> = std::iter::repeat_with(rand::random).take(LAYER_SIZE).collect();
        std::fs::write(self.dir.path().join("layer"), noise).context("cannot write a layer")?;
        let mut build = command("docker");
        build.args(["build", "-q", "-t", name]).arg(self.dir.path());
        run(&mut build).await
    }

    fn sent_since(&self, before: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a few million")]
        let sent = (self.proxy.sent_bytes() - before) as f64;
        sent
    }
}
