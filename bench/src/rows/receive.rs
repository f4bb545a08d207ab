//! P3: receiving a large pack, and P3b: the same with a long round-trip time. The baseline is sshd with a `git receive-pack`
//! that has the same environment as one that slipway runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::command::{command, run, run_timed};
use crate::environment::BenchEnv;
use crate::gateway::{Gateway, GatewayOptions};
use crate::measurement::{Goal, Measurement, Ratio, Title};
use crate::process_stats;
use crate::proxy::DelayingProxy;
use crate::sampling::{SamplePlan, sample_rounds};
use crate::sshd::{self, Sshd, SshdOptions};
use crate::test_app::{TestApp, repository_url, ssh};

/// The cipher of slipway's that OpenSSH's client prefers.
const CIPHER: &str = "aes128-gcm@openssh.com";
const BRANCH: &str = "data";
const ROUND_TRIP: Duration = Duration::from_millis(40);
/// Timeout for a server to start, or to wait for, its child processes.
const CHILD_TIMEOUT: Duration = Duration::from_secs(10);

pub async fn measure(env: &BenchEnv) -> Result<Vec<Measurement>> {
    let megabytes = if env.quick { 50 } else { 500 };
    env.record_size("P3 pack", format!("{megabytes} MB of random data in five files"));
    env.record_cipher("P3", CIPHER);
    let mut rows = Vec::new();
    for in_memory in [true, false] {
        let fixture = Fixture::prepare(env, in_memory, megabytes).await?;
        rows.extend(fixture.compare(env).await?);
        if in_memory {
            rows.extend(fixture.compare_with_latency(env, megabytes).await?);
        }
        fixture.app.destroy(&fixture.slipway).await?;
    }
    Ok(rows)
}

/// Two servers with the same repository, and a client with commits to push.
struct Fixture {
    app: TestApp,
    slipway: Gateway,
    sshd: Sshd,
    in_memory: bool,
    slipway_repository: RestorableRepository,
    sshd_repository: RestorableRepository,
    receive_pack: PathBuf,
}

impl Fixture {
    async fn prepare(env: &BenchEnv, in_memory: bool, megabytes: u64) -> Result<Self> {
        let name = if in_memory { "p3-memory" } else { "p3-disk" };
        let slipway = Gateway::start(env, GatewayOptions { name, in_memory, ..Default::default() }).await?;
        let app = TestApp::web(env, &format!("{name}-app")).await?;
        // the measured branch is not the deploy branch, so that receiving it starts no deploy
        run(&mut app.push(&slipway, "main")).await?;
        commit_random_files(&app, megabytes).await?;
        let ours = RestorableRepository::back_up(slipway.repository(&app.name)).await?;
        let parent = if in_memory { env.memory.path() } else { env.disk.path() };
        let copy = copy_directory(&ours.path, &parent.join(format!("{name}.git"))).await?;
        let theirs = RestorableRepository::back_up(copy).await?;
        let receive_pack =
            write_receive_pack_script(&app, &slipway, &theirs.path, &parent.join(format!("{name}.sh"))).await?;
        let sshd = Sshd::start(env, SshdOptions { force_command: Some(&receive_pack), ..Default::default() }).await?;
        Ok(Self { app, slipway, sshd, in_memory, slipway_repository: ours, sshd_repository: theirs, receive_pack })
    }

    async fn compare(&self, env: &BenchEnv) -> Result<Vec<Measurement>> {
        let plan = env.plan(SamplePlan::new(2, 20), SamplePlan::new(1, 2));
        let measured = sample_rounds(plan, async || {
            let (ours, our_cpu) = self.push_to_slipway(self.slipway.ssh).await?;
            let (theirs, their_cpu) = self.push_to_sshd(self.sshd.address).await?;
            Ok([ours, theirs, our_cpu, their_cpu, self.push_without_ssh().await?])
        });
        let [ours, theirs, our_cpu, their_cpu, floor] = measured.await?;
        let [wall_time, cpu_time, no_ssh] = titles(self.in_memory);
        Ok(vec![
            Measurement::from_samples(wall_time, "s", Ratio::OursToTheirs, Goal::AtMost(0.85), &ours, &theirs),
            Measurement::from_samples(cpu_time, "s", Ratio::OursToTheirs, Goal::AtMost(1.0), &our_cpu, &their_cpu)
                .with_note("processor time of the server and its child processes, including git"),
            Measurement::from_samples(no_ssh, "s", Ratio::OursToTheirs, Goal::Unstated, &floor, &theirs)
                .with_note("not slipway: the same receive-pack without SSH, a lower bound for any server"),
        ])
    }

    async fn compare_with_latency(&self, env: &BenchEnv, megabytes: u64) -> Result<Vec<Measurement>> {
        let ours = DelayingProxy::start(self.slipway.ssh, ROUND_TRIP).await?;
        let theirs = DelayingProxy::start(self.sshd.address, ROUND_TRIP).await?;
        let plan = env.plan(SamplePlan::new(1, 5), SamplePlan::new(0, 2));
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let rate = |seconds: f64| megabytes as f64 / seconds;
        let measured = sample_rounds(plan, async || {
            Ok([rate(self.push_to_slipway(ours.address).await?.0), rate(self.push_to_sshd(theirs.address).await?.0)])
        });
        let [ours, theirs] = measured.await?;
        let title = Title { id: "P3b", what: "the same at 40 ms round trip, in memory", baseline: "sshd" };
        Ok(vec![Measurement::from_samples(title, "MB/s", Ratio::OursToTheirs, Goal::AtLeast(3.0), &ours, &theirs)])
    }

    /// The duration of a push to slipway, and the server's processor time, in seconds.
    async fn push_to_slipway(&self, address: SocketAddr) -> Result<(f64, f64)> {
        let mut push = self.push(&self.slipway.key(), &repository_url(address, &self.app.name));
        let measured = time_push(&mut push, self.slipway.pid()).await?;
        self.slipway_repository.restore().await?;
        Ok(measured)
    }

    /// The same for a push to sshd.
    async fn push_to_sshd(&self, address: SocketAddr) -> Result<(f64, f64)> {
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let url = format!("ssh://{user}@{address}/{}", self.app.name);
        let measured = time_push(&mut self.push(&self.sshd.key(), &url), self.sshd.pid()).await?;
        self.sshd_repository.restore().await?;
        Ok(measured)
    }

    async fn push_without_ssh(&self) -> Result<f64> {
        let mut push = self.app.git();
        push.arg("push").arg(format!("--receive-pack={}", self.receive_pack.display()));
        push.arg(format!("file://{}", self.sshd_repository.path.display())).arg(BRANCH);
        let seconds = run_timed(&mut push).await?;
        self.sshd_repository.restore().await?;
        Ok(seconds)
    }

    fn push(&self, key: &Path, url: &str) -> Command {
        let mut push = self.app.git();
        push.env("GIT_SSH_COMMAND", sshd::client_command(key, Some(CIPHER))).args(["push", url, BRANCH]);
        push
    }
}

fn titles(in_memory: bool) -> [Title; 3] {
    let title = |what, baseline| Title { id: "P3", what, baseline };
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

/// Returns the duration of the push and the processor time of the server with its child processes, in seconds.
async fn time_push(push: &mut Command, server: u32) -> Result<(f64, f64)> {
    let before = process_stats::cpu_seconds(server)?;
    let seconds = run_timed(push).await?;
    let began = Instant::now();
    // a child's processor time is added to its parent's when the parent waits for it
    while process_stats::process_tree(server)?.len() > 1 {
        if began.elapsed() > CHILD_TIMEOUT {
            bail!("the server does not wait for its child processes");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok((seconds, process_stats::cpu_seconds(server)? - before))
}

/// Commits files of random bytes, which cannot be compressed, to [`BRANCH`].
async fn commit_random_files(app: &TestApp, megabytes: u64) -> Result<()> {
    for setting in [["core.bigFileThreshold", "1m"], ["core.compression", "0"], ["pack.compression", "0"]] {
        run(app.git().arg("config").args(setting)).await?;
    }
    run(app.git().args(["checkout", "-q", "-b", BRANCH])).await?;
    for number in 0..5 {
        let file = app.path().join(format!("random-{number}"));
        let random = std::fs::File::open("/dev/urandom").context("cannot read /dev/urandom")?;
        let mut file = std::fs::File::create(file).context("cannot write a random file")?;
        std::io::copy(&mut std::io::Read::take(random, megabytes * 1_000_000 / 5), &mut file)
            .context("cannot write a random file")?;
    }
    run(app.git().args(["add", "-A"])).await?;
    run(app.git().args(["commit", "-q", "-m", "random files"])).await?;
    run(app.git().args(["checkout", "-q", "main"])).await.map(drop)
}

/// A bare repository with a backup.
struct RestorableRepository {
    path: PathBuf,
    backup: PathBuf,
}

impl RestorableRepository {
    async fn back_up(path: PathBuf) -> Result<Self> {
        let backup = copy_directory(&path, &path.with_extension("backup")).await?;
        Ok(Self { path, backup })
    }

    async fn restore(&self) -> Result<()> {
        run(command("rm").arg("-rf").arg(&self.path)).await?;
        copy_directory(&self.backup, &self.path).await.map(drop)
    }
}

async fn copy_directory(from: &Path, to: &Path) -> Result<PathBuf> {
    run(command("cp").arg("-a").arg(from).arg(to)).await?;
    Ok(to.to_owned())
}

/// Writes a script that runs receive-pack for `repository` in the environment of one that slipway runs, without slipway's
/// hook.
async fn write_receive_pack_script(
    app: &TestApp,
    slipway: &Gateway,
    repository: &Path,
    path: &Path,
) -> Result<PathBuf> {
    let environment = receive_pack_environment(app, slipway).await?;
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

/// Reads the environment of a receive-pack that slipway runs, while it waits for a client that sends nothing.
async fn receive_pack_environment(app: &TestApp, slipway: &Gateway) -> Result<Vec<(String, String)>> {
    let mut client = ssh(slipway);
    client.arg(format!("git-receive-pack {}", app.name)).stdin(std::process::Stdio::piped());
    let client = client.spawn().context("ssh cannot be started")?;
    let began = Instant::now();
    let found = loop {
        let tree = process_stats::process_tree(slipway.pid())?;
        let mut environments = tree.into_iter().filter_map(|pid| {
            let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            words.contains("receive-pack").then(|| std::fs::read_to_string(format!("/proc/{pid}/environ")).ok())?
        });
        if let Some(text) = environments.find(|text| text.contains("GIT_CONFIG_COUNT")) {
            break text;
        }
        if began.elapsed() > CHILD_TIMEOUT {
            bail!("slipway does not run receive-pack");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    drop(client);
    let pairs = found.split('\0').filter_map(|pair| pair.split_once('='));
    Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}
