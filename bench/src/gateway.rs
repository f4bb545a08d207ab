//! A slipway gateway with a namespace and a data directory of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::background_process::{BackgroundProcess, free_address};
use crate::environment::BenchEnv;
use crate::ssh_keys;

/// The user name of the admin.
pub const ADMIN: &str = "root";

#[derive(Default)]
pub struct GatewayOptions<'a> {
    /// A part of the names of its namespace and directory.
    pub name: &'a str,
    /// The only processor that it may run on.
    pub core: Option<u32>,
    /// Whether its repositories are in memory instead of on disk.
    pub in_memory: bool,
    /// More settings, as `SLIPWAY_*` variables.
    pub settings: &'a [(&'a str, String)],
}

pub struct Gateway {
    process: BackgroundProcess,
    dir: TempDir,
    /// The address of its SSH server.
    pub ssh: SocketAddr,
    /// The address of its metrics.
    pub http: SocketAddr,
    /// The namespace of its own state.
    pub namespace: String,
}

impl Gateway {
    /// Starts a gateway and waits until it accepts pushes.
    pub async fn start(env: &BenchEnv, options: GatewayOptions<'_>) -> Result<Self> {
        let namespace = env.unique_namespace(options.name);
        Self::start_in(env, options, namespace).await
    }

    /// Starts a gateway in a namespace that exists already.
    pub async fn start_in(env: &BenchEnv, options: GatewayOptions<'_>, namespace: String) -> Result<Self> {
        let GatewayOptions { name, core, in_memory, settings } = options;
        let parent = if in_memory { env.memory.path() } else { env.disk.path() };
        let dir = TempDir::with_prefix_in(format!("{name}-"), parent).context("cannot make a gateway's directory")?;
        let admins = dir.path().join("admins");
        std::fs::create_dir(&admins).context("cannot make a gateway's directory")?;
        let key = ssh_keys::generate_to_file(&dir.path().join(ADMIN))?;
        std::fs::write(admins.join(format!("{ADMIN}.pub")), key).context("cannot write the admin's key")?;
        let (ssh, http) = (free_address()?, free_address()?);
        let mut command = pinned_command(&env.program, core);
        command.arg("serve").env("SLIPWAY_SSH_LISTEN", ssh.to_string()).env("SLIPWAY_HTTP_LISTEN", http.to_string());
        command.env("SLIPWAY_DATA_DIR", dir.path().join("data")).env("SLIPWAY_NAMESPACE", &namespace);
        command.env("SLIPWAY_IDENTITY", &namespace).env("SLIPWAY_ADMIN_KEYS", admins);
        command.env("SLIPWAY_ENGINE", &env.engine).env("SLIPWAY_REGISTRY_PUSH", &env.registry);
        // helm's chart has neither delay, and no comparison would gain from both waiting as long.
        command.env("SLIPWAY_SETTLE_TIME", "0s").env("SLIPWAY_ENDPOINT_DELAY", "0s");
        command.env("SLIPWAY_APP_URL", "http://{cluster_ip}").env("SLIPWAY_LOG_FORMAT", "json");
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let mut process = BackgroundProcess::start("slipway", &mut command, &dir.path().join("log"))?;
        let running = |process: &BackgroundProcess| process.log().contains("slipway is running").then_some(());
        process.wait_until("slipway is running", running).await?;
        Ok(Self { process, dir, ssh, http, namespace })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The admin's private key.
    pub fn key(&self) -> PathBuf {
        self.dir.path().join(ADMIN)
    }

    /// The bare repository of an app.
    pub fn repository(&self, app: &str) -> PathBuf {
        self.dir.path().join("data/repos").join(format!("{app}.git"))
    }

    pub async fn metrics(&self) -> Result<Metrics> {
        let url = format!("http://{}/metrics", self.http);
        let text = reqwest::get(&url).await.and_then(reqwest::Response::error_for_status);
        Ok(Metrics(text.context("cannot read the metrics")?.text().await.context("cannot read the metrics")?))
    }
}

/// A response of `/metrics`.
pub struct Metrics(String);

impl Metrics {
    /// The value of one series, named as in the response; 0 if the series is missing.
    pub fn value(&self, series: &str) -> f64 {
        let value = self.0.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        value.unwrap_or_default()
    }

    /// The seconds that all deploys have spent in a phase.
    pub fn phase_seconds(&self, phase: &str) -> f64 {
        self.value(&format!("slipway_deploy_phase_duration_seconds_sum{{phase=\"{phase}\"}}"))
    }
}

/// A command that may run on one processor only, or on all of them.
pub fn pinned_command(program: &Path, core: Option<u32>) -> Command {
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
    fn a_series_is_found_by_its_full_name() {
        let text = "# TYPE x histogram\nslipway_deploy_phase_duration_seconds_sum{phase=\"build\"} 1.5\n";
        let metrics = Metrics(text.to_owned());
        assert_eq!((metrics.phase_seconds("build"), metrics.phase_seconds("publish")), (1.5, 0.0));
    }
}
