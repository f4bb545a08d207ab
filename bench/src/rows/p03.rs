//! P3: receiving a large pack, and P3b: the same over a long line. Beside us stands sshd with `git receive-pack`, which gets
//! the very settings that slipway gives its git, read from a git that slipway runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::app::{App, ssh, url};
use crate::gateway::{self, Gateway};
use crate::measure::{Effort, rounds};
use crate::proc;
use crate::program::{command, run, timed};
use crate::proxy::Delay;
use crate::row::{Goal, Ratio, Row, Title};
use crate::sshd::{self, Sshd};
use crate::world::World;

/// Of the ciphers that slipway offers, the one that OpenSSH's client prefers.
const CIPHER: &str = "aes128-gcm@openssh.com";
const BRANCH: &str = "data";
const ROUND_TRIP: Duration = Duration::from_millis(40);
/// How long a server gets to reap what it started.
const REAP: Duration = Duration::from_secs(10);

/// Measures them.
///
/// # Errors
/// If a push fails.
pub async fn rows(world: &World) -> Result<Vec<Row>> {
    let megabytes = if world.quick { 50 } else { 500 };
    world.size("P3 pack", format!("{megabytes} MB of random data in five files"));
    world.cipher("P3", CIPHER);
    let mut rows = Vec::new();
    for in_memory in [true, false] {
        let scene = Scene::set(world, in_memory, megabytes).await?;
        rows.extend(scene.side_by_side(world).await?);
        if in_memory {
            rows.extend(scene.over_a_long_line(world, megabytes).await?);
        }
        scene.app.destroy(&scene.slipway).await?;
    }
    Ok(rows)
}

/// Two servers with the same repository, and a client with a pack for it.
struct Scene {
    app: App,
    slipway: Gateway,
    sshd: Sshd,
    in_memory: bool,
    ours: Repository,
    theirs: Repository,
    receive_pack: PathBuf,
}

impl Scene {
    async fn set(world: &World, in_memory: bool, megabytes: u64) -> Result<Self> {
        let name = if in_memory { "p3-memory" } else { "p3-disk" };
        let slipway = Gateway::start(world, gateway::Wish { name, in_memory, ..Default::default() }).await?;
        let app = App::web(world, &format!("{name}-app")).await?;
        // the branch that is measured is not the one that is deployed: it is received and kept
        run(&mut app.push(&slipway, "main")).await?;
        commit_noise(&app, megabytes).await?;
        let ours = Repository::remember(slipway.repository(&app.name)).await?;
        let place = if in_memory { world.memory.path() } else { world.disk.path() };
        let theirs = Repository::remember(copied(&ours.path, &place.join(format!("{name}.git"))).await?).await?;
        let receive_pack = script(&app, &slipway, &theirs.path, &place.join(format!("{name}.sh"))).await?;
        let sshd = Sshd::start(world, sshd::Wish { command: Some(&receive_pack), ..Default::default() }).await?;
        Ok(Self { app, slipway, sshd, in_memory, ours, theirs, receive_pack })
    }

    async fn side_by_side(&self, world: &World) -> Result<Vec<Row>> {
        let effort = world.effort(Effort::of(2, 20), Effort::of(1, 2));
        let measured = rounds(effort, async || {
            let (ours, our_cpu) = self.to_slipway(self.slipway.ssh).await?;
            let (theirs, their_cpu) = self.to_sshd(self.sshd.address).await?;
            Ok([ours, theirs, our_cpu, their_cpu, self.without_ssh().await?])
        });
        let [ours, theirs, our_cpu, their_cpu, floor] = measured.await?;
        let [wall, cpu, least] = titles(self.in_memory);
        Ok(vec![
            Row::measured(wall, "s", Ratio::OursToTheirs, Goal::AtMost(0.85), &ours, &theirs),
            Row::measured(cpu, "s", Ratio::OursToTheirs, Goal::AtMost(1.0), &our_cpu, &their_cpu)
                .noted("processor time of the server and all that it starts, git included"),
            Row::measured(least, "s", Ratio::OursToTheirs, Goal::Unstated, &floor, &theirs)
                .noted("not slipway: the same receive-pack without SSH, below which no server can get"),
        ])
    }

    async fn over_a_long_line(&self, world: &World, megabytes: u64) -> Result<Vec<Row>> {
        let ours = Delay::to(self.slipway.ssh, ROUND_TRIP).await?;
        let theirs = Delay::to(self.sshd.address, ROUND_TRIP).await?;
        let effort = world.effort(Effort::of(1, 5), Effort::of(0, 2));
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let rate = |seconds: f64| megabytes as f64 / seconds;
        let measured = rounds(effort, async || {
            Ok([rate(self.to_slipway(ours.address).await?.0), rate(self.to_sshd(theirs.address).await?.0)])
        });
        let [ours, theirs] = measured.await?;
        let title = Title { id: "P3b", what: "the same at 40 ms round trip, in memory", beside: "sshd" };
        Ok(vec![Row::measured(title, "MB/s", Ratio::OursToTheirs, Goal::AtLeast(3.0), &ours, &theirs)])
    }

    /// Seconds of a push to slipway, and of processor time that it took there.
    async fn to_slipway(&self, address: SocketAddr) -> Result<(f64, f64)> {
        let mut push = self.push(&self.slipway.key(), &url(address, &self.app.name));
        let measured = measured(&mut push, self.slipway.pid()).await?;
        self.ours.restore().await?;
        Ok(measured)
    }

    /// The same of a push to sshd.
    async fn to_sshd(&self, address: SocketAddr) -> Result<(f64, f64)> {
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let url = format!("ssh://{user}@{address}/{}", self.app.name);
        let measured = measured(&mut self.push(&self.sshd.key(), &url), self.sshd.pid()).await?;
        self.theirs.restore().await?;
        Ok(measured)
    }

    async fn without_ssh(&self) -> Result<f64> {
        let mut push = self.app.git();
        push.arg("push").arg(format!("--receive-pack={}", self.receive_pack.display()));
        push.arg(format!("file://{}", self.theirs.path.display())).arg(BRANCH);
        let seconds = timed(&mut push).await?;
        self.theirs.restore().await?;
        Ok(seconds)
    }

    fn push(&self, key: &Path, url: &str) -> Command {
        let mut push = self.app.git();
        push.env("GIT_SSH_COMMAND", sshd::client(key, Some(CIPHER))).args(["push", url, BRANCH]);
        push
    }
}

fn titles(in_memory: bool) -> [Title; 3] {
    let title = |what, beside| Title { id: "P3", what, beside };
    match in_memory {
        true => [
            title("receiving a large pack, in memory", "sshd"),
            title("processor time of that, in memory", "sshd"),
            title("floor: no SSH, in memory", "sshd"),
        ],
        false => [
            title("receiving a large pack, on disk", "sshd"),
            title("processor time of that, on disk", "sshd"),
            title("floor: no SSH, on disk", "sshd"),
        ],
    }
}

async fn measured(push: &mut Command, server: u32) -> Result<(f64, f64)> {
    let before = proc::cpu_seconds(server)?;
    let seconds = timed(push).await?;
    let began = Instant::now();
    // the time of a process is its parent's once it was waited for
    while proc::family(server)?.len() > 1 {
        if began.elapsed() > REAP {
            bail!("the server does not reap what it started");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok((seconds, proc::cpu_seconds(server)? - before))
}

/// Commits files that no compression makes smaller to a branch of its own.
async fn commit_noise(app: &App, megabytes: u64) -> Result<()> {
    for setting in [["core.bigFileThreshold", "1m"], ["core.compression", "0"], ["pack.compression", "0"]] {
        run(app.git().arg("config").args(setting)).await?;
    }
    run(app.git().args(["checkout", "-q", "-b", BRANCH])).await?;
    for number in 0..5 {
        let file = app.path().join(format!("noise-{number}"));
        let random = std::fs::File::open("/dev/urandom").context("no randomness")?;
        let mut file = std::fs::File::create(file).context("cannot write noise")?;
        std::io::copy(&mut std::io::Read::take(random, megabytes * 1_000_000 / 5), &mut file)
            .context("cannot write noise")?;
    }
    run(app.git().args(["add", "-A"])).await?;
    run(app.git().args(["commit", "-q", "-m", "noise"])).await?;
    run(app.git().args(["checkout", "-q", "main"])).await.map(drop)
}

/// A bare repository that can be brought back to what it was.
struct Repository {
    path: PathBuf,
    pristine: PathBuf,
}

impl Repository {
    async fn remember(path: PathBuf) -> Result<Self> {
        let pristine = copied(&path, &path.with_extension("pristine")).await?;
        Ok(Self { path, pristine })
    }

    async fn restore(&self) -> Result<()> {
        run(command("rm").arg("-rf").arg(&self.path)).await?;
        copied(&self.pristine, &self.path).await.map(drop)
    }
}

async fn copied(from: &Path, to: &Path) -> Result<PathBuf> {
    run(command("cp").arg("-a").arg(from).arg(to)).await?;
    Ok(to.to_owned())
}

/// A receive-pack for `repository` with the environment of one that slipway runs, but for slipway's own hook.
async fn script(app: &App, slipway: &Gateway, repository: &Path, path: &Path) -> Result<PathBuf> {
    let environment = environment(app, slipway).await?;
    let hooks = environment.iter().find(|(_, value)| value == "core.hooksPath");
    let hooks = hooks.and_then(|(key, _)| key.strip_prefix("GIT_CONFIG_KEY_")).map(|n| format!("GIT_CONFIG_VALUE_{n}"));
    let settings = environment.iter().filter(|(key, _)| !key.starts_with("SLIPWAY_")).map(|(key, value)| {
        let value = if hooks.as_deref() == Some(key) { "/dev/null" } else { value };
        format!("'{key}={}'", value.replace('\'', "'\\''"))
    });
    let settings = settings.collect::<Vec<_>>().join(" ");
    let text = format!("#!/bin/sh\nexec env -i {settings} git receive-pack '{}'\n", repository.display());
    std::fs::write(path, text).context("cannot write a script")?;
    run(command("chmod").arg("755").arg(path)).await?;
    Ok(path.to_owned())
}

/// The environment of a receive-pack that slipway runs: it waits for a client that says nothing.
async fn environment(app: &App, slipway: &Gateway) -> Result<Vec<(String, String)>> {
    let mut client = ssh(slipway);
    client.arg(format!("git-receive-pack {}", app.name)).stdin(std::process::Stdio::piped());
    let client = client.spawn().context("ssh cannot be started")?;
    let began = Instant::now();
    let found = loop {
        let family = proc::family(slipway.pid())?;
        let mut environments = family.into_iter().filter_map(|pid| {
            let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            words.contains("receive-pack").then(|| std::fs::read_to_string(format!("/proc/{pid}/environ")).ok())?
        });
        if let Some(text) = environments.find(|text| text.contains("GIT_CONFIG_COUNT")) {
            break text;
        }
        if began.elapsed() > REAP {
            bail!("slipway runs no receive-pack");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    drop(client);
    let pairs = found.split('\0').filter_map(|pair| pair.split_once('='));
    Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}
