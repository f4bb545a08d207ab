//! From a changed line to a page that shows it: with `git push`, and by hand. One run gives the samples of P1, P2 and P8.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStderr, Command};

use crate::app::App;
use crate::chart::HelmChart;
use crate::gateway::{self, Gateway};
use crate::measure::{Effort, rounds};
use crate::page::Page;
use crate::program::{command, finish, run, timed};
use crate::watching::{Mark, Watching};
use crate::world::World;

/// What a push prints when its release is live and recorded.
const DEPLOYED: &str = "Application deployed";
/// What it prints when it sees that the pod is ready.
const READY: &str = " 1 of 1 ready";

/// The samples, in seconds; each list has one for each round.
pub struct Live {
    /// `git push` until the page shows the change.
    pub push: Vec<f64>,
    /// `git push` until it has ended.
    pub push_ended: Vec<f64>,
    /// slipway's checks before the build.
    pub preflight: Vec<f64>,
    /// slipway's build.
    pub build: Vec<f64>,
    /// slipway's push to the registry.
    pub publish: Vec<f64>,
    /// From the change of the Deployment until the page shows it.
    pub pod: Vec<f64>,
    /// From the pod being ready until the push says that the app is deployed.
    pub deployed: Vec<f64>,
    /// From the pod being ready until the push says that it is.
    pub says_ready: Vec<f64>,
    /// From the pod being ready until `kubectl rollout status` ends, beside the same push.
    pub kubectl: Vec<f64>,
    /// By hand until the page shows the change.
    pub hand: Vec<f64>,
    /// By hand until `helm --wait` has ended.
    pub hand_ended: Vec<f64>,
    /// By hand from the change of the Deployment until the page shows it.
    pub hand_pod: Vec<f64>,
    /// From the pod being ready until `helm --wait` has ended.
    pub helm: Vec<f64>,
}

/// Measures them.
///
/// # Errors
/// If a push, or one of the programs by hand, fails.
pub async fn measure(world: &World) -> Result<Live> {
    let slipway = Gateway::start(world, gateway::Wish { name: "live", ..Default::default() }).await?;
    let pushed = Pushed::first(world, &slipway).await?;
    let by_hand = ByHand::first(world).await?;
    world.size("P1 docker build", builder().await);
    let effort = world.effort(Effort::of(3, 20), Effort::of(1, 3));
    let mut round = 0;
    let measured = rounds(effort, async || {
        round += 1;
        let ours = pushed.again(world, &slipway, round).await?;
        let theirs = by_hand.again(world, round).await?;
        let [push, push_ended, preflight, build, publish, pod, deployed, says_ready, kubectl] = ours;
        let [hand, hand_ended, hand_pod, helm] = theirs;
        Ok([
            push, push_ended, preflight, build, publish, pod, deployed, says_ready, kubectl, hand, hand_ended,
            hand_pod, helm,
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
        says_ready,
        kubectl,
        hand,
        hand_ended,
        hand_pod,
        helm,
    ] = measured.await?;
    pushed.app.destroy(&slipway).await?;
    Ok(Live {
        push,
        push_ended,
        preflight,
        build,
        publish,
        pod,
        deployed,
        says_ready,
        kubectl,
        hand,
        hand_ended,
        hand_pod,
        helm,
    })
}

/// An app that is pushed.
struct Pushed {
    app: App,
    page: Page,
    watching: Watching,
}

impl Pushed {
    async fn first(world: &World, slipway: &Gateway) -> Result<Self> {
        let app = App::web(world, "pushed").await?;
        run(&mut app.push(slipway, "main")).await?;
        let page = Page::of(&world.cluster, &app.name).await?;
        page.shows("first").await?;
        let watching = Watching::of(&world.cluster, &app.name);
        settle(world, &app.name).await?;
        Ok(Self { app, page, watching })
    }

    async fn again(&self, world: &World, slipway: &Gateway, round: u32) -> Result<[f64; 9]> {
        let text = format!("pushed {round}");
        self.app.change(&text).await?;
        let (mark, before) = (self.watching.mark(), slipway.metrics().await?);
        let began = Instant::now();
        let push = async {
            let said = said(self.app.push(slipway, "main")).await?;
            anyhow::Ok((said, Instant::now()))
        };
        let (push, live, changed, ready, kubectl) = tokio::join!(
            push,
            self.page.shows(&text),
            self.watching.changed(&mark),
            self.watching.ready(&mark),
            rollout_status(&self.watching, &mark, &self.app.name),
        );
        let ((said, ended), live, changed, ready, kubectl) = (push?, live?, changed?, ready?, kubectl?);
        let after = slipway.metrics().await?;
        let phase = |name| after.phase(name) - before.phase(name);
        settle(world, &self.app.name).await?;
        Ok([
            seconds(began, live),
            seconds(began, ended),
            phase("preflight"),
            phase("build"),
            phase("publish"),
            seconds(changed, live),
            seconds(ready, said.deployed),
            seconds(ready, said.ready),
            seconds(ready, kubectl),
        ])
    }
}

/// The same app, built, pushed and installed by hand.
struct ByHand {
    app: App,
    chart: HelmChart,
    page: Page,
    watching: Watching,
}

impl ByHand {
    async fn first(world: &World) -> Result<Self> {
        let app = App::web(world, "by-hand").await?;
        let chart = HelmChart::write(&world.disk.path().join("chart-live"))?;
        chart.check_equal(world, &app.name, "registry.example/web:1").await?;
        let watching = Watching::of(&world.cluster, &app.name);
        run(&mut script(world, &app, &chart, "first")).await?;
        let page = Page::of(&world.cluster, &app.name).await?;
        page.shows("first").await?;
        settle(world, &app.name).await?;
        Ok(Self { app, chart, page, watching })
    }

    async fn again(&self, world: &World, round: u32) -> Result<[f64; 4]> {
        let text = format!("by hand {round}");
        let commit = self.app.change(&text).await?;
        let mark = self.watching.mark();
        let began = Instant::now();
        let mut script = script(world, &self.app, &self.chart, &commit);
        let script = async { timed(&mut script).await.map(|_| Instant::now()) };
        let (ended, live, changed, ready) =
            tokio::join!(script, self.page.shows(&text), self.watching.changed(&mark), self.watching.ready(&mark));
        let (ended, live, changed, ready) = (ended?, live?, changed?, ready?);
        settle(world, &self.app.name).await?;
        Ok([seconds(began, live), seconds(began, ended), seconds(changed, live), seconds(ready, ended)])
    }
}

/// What one types: the Engine's BuildKit, as slipway has it build, and a tag of one's own for each commit.
fn script(world: &World, app: &App, chart: &HelmChart, tag: &str) -> Command {
    let (name, image) = (&app.name, format!("{}/{}:{tag}", world.registry, app.name));
    world.image(&image);
    let script = format!(
        "docker build -q -t {image} . && docker push -q {image} && helm upgrade --install --wait {name} {} \
         --namespace {name} --create-namespace --set-string image={image},commit={tag},pusher=root,version={tag}",
        chart.path().display()
    );
    let mut shell = command("sh");
    shell.args(["-c", &script]).current_dir(app.path());
    shell
}

/// Which builder `docker build` takes by itself.
async fn builder() -> &'static str {
    let buildx = finish(command("docker").args(["buildx", "version"])).await;
    if buildx.is_ok_and(|output| output.status.success()) { "BuildKit" } else { "the classic builder (no buildx here)" }
}

/// When a push said what.
struct Said {
    ready: Instant,
    deployed: Instant,
}

/// Runs a push to its end, which has to be a good one.
async fn said(mut push: Command) -> Result<Said> {
    let mut child = push.stderr(Stdio::piped()).spawn().context("git cannot be started")?;
    let stderr = child.stderr.take().context("git says nothing")?;
    let (said, all) = heard(stderr).await?;
    let status = child.wait().await.context("git does not end")?;
    match said {
        [Some(ready), Some(deployed)] if status.success() => Ok(Said { ready, deployed }),
        _ => bail!("the push failed:\n{all}"),
    }
}

/// When it first said [`READY`] and [`DEPLOYED`], and everything that it said.
async fn heard(stderr: ChildStderr) -> Result<([Option<Instant>; 2], String)> {
    let (mut said, mut all) = ([None; 2], String::new());
    let mut lines = BufReader::new(stderr).lines();
    while let Some(line) = lines.next_line().await.context("git cannot be heard")? {
        for (text, moment) in [READY, DEPLOYED].iter().zip(&mut said) {
            if line.contains(text) {
                moment.get_or_insert_with(Instant::now);
            }
        }
        all.push_str(&line);
        all.push('\n');
    }
    Ok((said, all))
}

/// When `kubectl rollout status` ends, started as soon as the Deployment has changed: before that it would tell of the
/// rollout before.
async fn rollout_status(watching: &Watching, mark: &Mark, app: &str) -> Result<Instant> {
    watching.changed(mark).await?;
    let deployment = format!("deployment/{app}");
    timed(command("kubectl").args(["rollout", "status", &deployment, "--namespace", app])).await?;
    Ok(Instant::now())
}

/// Waits until the containers of earlier rounds have ended, so that their end does not fall into the next round. The objects
/// of their pods stay for some seconds more.
async fn settle(world: &World, app: &str) -> Result<()> {
    use k8s_openapi::api::core::v1::Pod;
    let pods = kube::Api::<Pod>::namespaced(world.cluster.clone(), app);
    let began = Instant::now();
    let runs = |pod: &Pod| {
        let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        statuses.filter_map(|status| status.state.as_ref()).any(|state| state.running.is_some())
    };
    while pods
        .list(&kube::api::ListParams::default())
        .await
        .context("cannot list pods")?
        .iter()
        .filter(|p| runs(p))
        .count()
        > 1
    {
        if began.elapsed().as_secs() > 60 {
            bail!("old pods of {app} do not go");
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Ok(())
}

/// From one moment to a later one; what was noticed in the other order took no time.
fn seconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64()
}
