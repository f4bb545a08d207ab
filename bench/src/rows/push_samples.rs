//! The samples of P1, P2 and P8: a changed page goes live by `git push`, and by docker and helm by hand.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStderr, Command};

use crate::command::{command, run, run_timed, run_unchecked};
use crate::environment::BenchEnv;
use crate::gateway::{Gateway, GatewayOptions};
use crate::helm_chart::HelmChart;
use crate::http_probe::HttpProbe;
use crate::sampling::{SamplePlan, sample_rounds};
use crate::test_app::TestApp;
use crate::watcher::{Checkpoint, ClusterWatcher};

/// The push's output when the release is live and recorded.
const DEPLOYED: &str = "Application deployed";
/// The push's output when the pod is ready.
const READY: &str = " 1 of 1 ready";

/// Durations in seconds; each list has one for each round.
pub struct PushSamples {
    /// `git push` until the page shows the change.
    pub push: Vec<f64>,
    /// `git push` until it ends.
    pub push_ended: Vec<f64>,
    /// slipway's phase `preflight`.
    pub preflight: Vec<f64>,
    /// slipway's phase `build`.
    pub build: Vec<f64>,
    /// slipway's phase `publish`.
    pub publish: Vec<f64>,
    /// From the change of the Deployment until the page shows the change.
    pub pod: Vec<f64>,
    /// From the pod's readiness until the push reports the deploy.
    pub deployed: Vec<f64>,
    /// From the pod's readiness until the push reports it.
    pub reports_ready: Vec<f64>,
    /// From the pod's readiness until `kubectl rollout status` ends, during the same push.
    pub kubectl: Vec<f64>,
    /// The commands by hand until the page shows the change.
    pub hand: Vec<f64>,
    /// The commands by hand until `helm --wait` ends.
    pub hand_ended: Vec<f64>,
    /// By hand, from the change of the Deployment until the page shows the change.
    pub hand_pod: Vec<f64>,
    /// By hand, from the pod's readiness until `helm --wait` ends.
    pub helm: Vec<f64>,
}

pub async fn collect(env: &BenchEnv) -> Result<PushSamples> {
    let slipway = Gateway::start(env, GatewayOptions { name: "live", ..Default::default() }).await?;
    let by_push = SlipwaySide::deploy_first(env, &slipway).await?;
    let by_hand = ManualSide::deploy_first(env).await?;
    env.record_size("P1 docker build", default_builder().await);
    let plan = env.plan(SamplePlan::new(3, 20), SamplePlan::new(1, 3));
    let mut round = 0;
    let measured = sample_rounds(plan, async || {
        round += 1;
        let ours = by_push.measure_round(env, &slipway, round).await?;
        let theirs = by_hand.measure_round(env, round).await?;
        let [push, push_ended, preflight, build, publish, pod, deployed, reports_ready, kubectl] = ours;
        let [hand, hand_ended, hand_pod, helm] = theirs;
        Ok([
            push,
            push_ended,
            preflight,
            build,
            publish,
            pod,
            deployed,
            reports_ready,
            kubectl,
            hand,
            hand_ended,
            hand_pod,
            helm,
        ])
    });
    let [
        push,
        push_ended,
        preflight,
        build,
        publish,
        pod,
        deployed,
        reports_ready,
        kubectl,
        hand,
        hand_ended,
        hand_pod,
        helm,
    ] = measured.await?;
    by_push.app.destroy(&slipway).await?;
    Ok(PushSamples {
        push,
        push_ended,
        preflight,
        build,
        publish,
        pod,
        deployed,
        reports_ready,
        kubectl,
        hand,
        hand_ended,
        hand_pod,
        helm,
    })
}

/// An app that is deployed with `git push`.
struct SlipwaySide {
    app: TestApp,
    probe: HttpProbe,
    watcher: ClusterWatcher,
}

impl SlipwaySide {
    async fn deploy_first(env: &BenchEnv, slipway: &Gateway) -> Result<Self> {
        let app = TestApp::web(env, "pushed").await?;
        run(&mut app.push(slipway, "main")).await?;
        let probe = HttpProbe::for_app(&env.cluster, &app.name).await?;
        probe.wait_for_text("first").await?;
        let watcher = ClusterWatcher::start(&env.cluster, &app.name);
        wait_for_old_pods(env, &app.name).await?;
        Ok(Self { app, probe, watcher })
    }

    async fn measure_round(&self, env: &BenchEnv, slipway: &Gateway, round: u32) -> Result<[f64; 9]> {
        let text = format!("pushed {round}");
        self.app.commit_page(&text).await?;
        let (checkpoint, before) = (self.watcher.checkpoint(), slipway.metrics().await?);
        let began = Instant::now();
        let push = async {
            let output = run_push(self.app.push(slipway, "main")).await?;
            anyhow::Ok((output, Instant::now()))
        };
        let (push, live, changed, ready, kubectl) = tokio::join!(
            push,
            self.probe.wait_for_text(&text),
            self.watcher.wait_changed(&checkpoint),
            self.watcher.wait_ready(&checkpoint),
            run_rollout_status(&self.watcher, &checkpoint, &self.app.name),
        );
        let ((output, ended), live, changed, ready, kubectl) = (push?, live?, changed?, ready?, kubectl?);
        let after = slipway.metrics().await?;
        let phase = |name| after.phase_seconds(name) - before.phase_seconds(name);
        wait_for_old_pods(env, &self.app.name).await?;
        Ok([
            seconds_between(began, live),
            seconds_between(began, ended),
            phase("preflight"),
            phase("build"),
            phase("publish"),
            seconds_between(changed, live),
            seconds_between(ready, output.deployed),
            seconds_between(ready, output.ready),
            seconds_between(ready, kubectl),
        ])
    }
}

/// The same app, deployed with docker and helm.
struct ManualSide {
    app: TestApp,
    chart: HelmChart,
    probe: HttpProbe,
    watcher: ClusterWatcher,
}

impl ManualSide {
    async fn deploy_first(env: &BenchEnv) -> Result<Self> {
        let app = TestApp::web(env, "by-hand").await?;
        let chart = HelmChart::write(env, &env.disk.path().join("chart-live"))?;
        chart.check_same_objects(env, &app.name, "registry.example/web:1").await?;
        let watcher = ClusterWatcher::start(&env.cluster, &app.name);
        run(&mut deploy_command(env, &app, &chart, "first")).await?;
        let probe = HttpProbe::for_app(&env.cluster, &app.name).await?;
        probe.wait_for_text("first").await?;
        wait_for_old_pods(env, &app.name).await?;
        Ok(Self { app, chart, probe, watcher })
    }

    async fn measure_round(&self, env: &BenchEnv, round: u32) -> Result<[f64; 4]> {
        let text = format!("by hand {round}");
        let commit = self.app.commit_page(&text).await?;
        let checkpoint = self.watcher.checkpoint();
        let began = Instant::now();
        let mut script = deploy_command(env, &self.app, &self.chart, &commit);
        let script = async { run_timed(&mut script).await.map(|_| Instant::now()) };
        let (ended, live, changed, ready) = tokio::join!(
            script,
            self.probe.wait_for_text(&text),
            self.watcher.wait_changed(&checkpoint),
            self.watcher.wait_ready(&checkpoint)
        );
        let (ended, live, changed, ready) = (ended?, live?, changed?, ready?);
        wait_for_old_pods(env, &self.app.name).await?;
        Ok([
            seconds_between(began, live),
            seconds_between(began, ended),
            seconds_between(changed, live),
            seconds_between(ready, ended),
        ])
    }
}

/// The commands by hand, in one shell. Each commit has a tag of its own.
fn deploy_command(env: &BenchEnv, app: &TestApp, chart: &HelmChart, tag: &str) -> Command {
    let (name, image) = (&app.name, format!("{}/{}:{tag}", env.registry, app.name));
    env.track_image(&image);
    let script = format!(
        "docker build -q -t {image} . && docker push -q {image} && helm upgrade --install --wait {name} {} \
         --namespace {name} --create-namespace --set-string image={image},commit={tag},pusher=root,version={tag}",
        chart.path().display()
    );
    let mut shell = command("sh");
    shell.args(["-c", &script]).current_dir(app.path());
    shell
}

/// The builder that `docker build` uses by default.
async fn default_builder() -> &'static str {
    let buildx = run_unchecked(command("docker").args(["buildx", "version"])).await;
    if buildx.is_ok_and(|output| output.status.success()) { "BuildKit" } else { "the classic builder (no buildx here)" }
}

/// When a push printed that the pod is ready, and that the app is deployed.
struct PushOutput {
    ready: Instant,
    deployed: Instant,
}

/// Runs a push, which has to succeed.
async fn run_push(mut push: Command) -> Result<PushOutput> {
    let mut child = push.stderr(Stdio::piped()).spawn().context("git cannot be started")?;
    let stderr = child.stderr.take().context("git has no standard error")?;
    let (moments, all) = read_output(stderr).await?;
    let status = child.wait().await.context("cannot wait for git")?;
    match moments {
        [Some(ready), Some(deployed)] if status.success() => Ok(PushOutput { ready, deployed }),
        _ => bail!("the push failed:\n{all}"),
    }
}

/// Reads the output, and notes when [`READY`] and [`DEPLOYED`] first occurred.
async fn read_output(stderr: ChildStderr) -> Result<([Option<Instant>; 2], String)> {
    let (mut moments, mut all) = ([None; 2], String::new());
    let mut lines = BufReader::new(stderr).lines();
    while let Some(line) = lines.next_line().await.context("cannot read git's output")? {
        for (text, moment) in [READY, DEPLOYED].iter().zip(&mut moments) {
            if line.contains(text) {
                moment.get_or_insert_with(Instant::now);
            }
        }
        all.push_str(&line);
        all.push('\n');
    }
    Ok((moments, all))
}

/// Runs `kubectl rollout status`, and returns when it ended. It starts once the Deployment has changed; before that, it would
/// report the previous rollout.
async fn run_rollout_status(watcher: &ClusterWatcher, since: &Checkpoint, app: &str) -> Result<Instant> {
    watcher.wait_changed(since).await?;
    let deployment = format!("deployment/{app}");
    run_timed(command("kubectl").args(["rollout", "status", &deployment, "--namespace", app])).await?;
    Ok(Instant::now())
}

/// Waits until the containers of earlier rounds have ended, so that they do not disturb the next round. Their Pod objects
/// last some seconds longer.
async fn wait_for_old_pods(env: &BenchEnv, app: &str) -> Result<()> {
    use k8s_openapi::api::core::v1::Pod;
    let pods = kube::Api::<Pod>::namespaced(env.cluster.clone(), app);
    let began = Instant::now();
    let is_running = |pod: &Pod| {
        let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        statuses.filter_map(|status| status.state.as_ref()).any(|state| state.running.is_some())
    };
    while pods
        .list(&kube::api::ListParams::default())
        .await
        .context("cannot list pods")?
        .iter()
        .filter(|pod| is_running(pod))
        .count()
        > 1
    {
        if began.elapsed().as_secs() > 60 {
            bail!("old pods of {app} did not end within a minute");
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The interval at which the watcher polls, in seconds.
const WATCHER_RESOLUTION: f64 = 0.001;

/// The time between two observations. Two that were made in the wrong order count as one polling interval.
fn seconds_between(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64().max(WATCHER_RESOLUTION)
}
