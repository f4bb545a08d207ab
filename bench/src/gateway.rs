//! slipway as it is released, with a namespace and a data directory of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::daemon::{Daemon, free_address};
use crate::keypair;
use crate::world::World;

/// The user whose key is an admin's.
pub const ADMIN: &str = "root";

/// How a gateway is to be started.
#[derive(Default)]
pub struct Wish<'a> {
    /// What it is called in the names of its namespace and its log.
    pub name: &'a str,
    /// The only processor it may use.
    pub core: Option<u32>,
    /// Whether its repositories are in memory and not on disk.
    pub in_memory: bool,
    /// More settings, as `SLIPWAY_*` variables.
    pub settings: &'a [(&'a str, String)],
}

/// A running gateway.
pub struct Gateway {
    daemon: Daemon,
    dir: TempDir,
    /// The address of its SSH server.
    pub ssh: SocketAddr,
    /// The address of its metrics.
    pub http: SocketAddr,
    /// The namespace of its own state.
    pub namespace: String,
}

impl Gateway {
    /// Starts one and waits until it takes pushes.
    ///
    /// # Errors
    /// If it does not come up; the error has its log.
    pub async fn start(world: &World, wish: Wish<'_>) -> Result<Self> {
        let namespace = world.namespace(wish.name);
        Self::start_in(world, wish, namespace).await
    }

    /// The same in a namespace that is there already.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub async fn start_in(world: &World, wish: Wish<'_>, namespace: String) -> Result<Self> {
        let Wish { name, core, in_memory, settings } = wish;
        let place = if in_memory { world.memory.path() } else { world.disk.path() };
        let dir = TempDir::with_prefix_in(format!("{name}-"), place).context("cannot make a gateway's directory")?;
        let admins = dir.path().join("admins");
        std::fs::create_dir(&admins).context("cannot make a gateway's directory")?;
        let key = keypair::write(&dir.path().join(ADMIN))?;
        std::fs::write(admins.join(format!("{ADMIN}.pub")), key).context("cannot write the admin's key")?;
        let (ssh, http) = (free_address()?, free_address()?);
        let mut command = pinned(&world.program, core);
        command.arg("serve").env("SLIPWAY_SSH_LISTEN", ssh.to_string()).env("SLIPWAY_HTTP_LISTEN", http.to_string());
        command.env("SLIPWAY_DATA_DIR", dir.path().join("data")).env("SLIPWAY_NAMESPACE", &namespace);
        command.env("SLIPWAY_IDENTITY", &namespace).env("SLIPWAY_ADMIN_KEYS", admins);
        command.env("SLIPWAY_ENGINE", &world.engine).env("SLIPWAY_REGISTRY_PUSH", &world.registry);
        command.env("SLIPWAY_APP_URL", "http://{cluster_ip}").env("SLIPWAY_LOG_FORMAT", "json");
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let mut daemon = Daemon::start("slipway", &mut command, &dir.path().join("log"))?;
        let running = |daemon: &Daemon| daemon.log().contains("slipway is running").then_some(());
        daemon.until("slipway is running", running).await?;
        Ok(Self { daemon, dir, ssh, http, namespace })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// The admin's private key.
    pub fn key(&self) -> PathBuf {
        self.dir.path().join(ADMIN)
    }

    /// The bare repository of an app.
    pub fn repository(&self, app: &str) -> PathBuf {
        self.dir.path().join("data/repos").join(format!("{app}.git"))
    }

    /// What its metrics say now.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn metrics(&self) -> Result<Metrics> {
        let url = format!("http://{}/metrics", self.http);
        let text = reqwest::get(&url).await.and_then(reqwest::Response::error_for_status);
        Ok(Metrics(text.context("no metrics")?.text().await.context("no metrics")?))
    }
}

/// What `/metrics` printed.
pub struct Metrics(String);

impl Metrics {
    /// The value of one series, named as it is printed; 0 where nothing was counted yet.
    pub fn value(&self, series: &str) -> f64 {
        let value = self.0.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        value.unwrap_or_default()
    }

    /// The seconds that a phase of deploys took so far.
    pub fn phase(&self, phase: &str) -> f64 {
        self.value(&format!("slipway_deploy_phase_duration_seconds_sum{{phase=\"{phase}\"}}"))
    }
}

/// A command that may use one processor only, or all of them.
pub fn pinned(program: &Path, core: Option<u32>) -> Command {
    match core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.arg("-c").arg(core.to_string()).arg(program);
            command
        }
        None => Command::new(program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_whole_name() {
        let text = "# TYPE x histogram\nslipway_deploy_phase_duration_seconds_sum{phase=\"build\"} 1.5\n";
        let metrics = Metrics(text.to_owned());
        assert_eq!((metrics.phase("build"), metrics.phase("publish")), (1.5, 0.0));
    }
}
