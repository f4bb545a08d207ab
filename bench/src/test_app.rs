//! A small web app in a git repository, as a developer would push it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::process::Command;

use crate::command::{command, run, run_unchecked};
use crate::environment::BenchEnv;
use crate::gateway::Gateway;
use crate::sshd;

/// The base image of the apps. It contains busybox only.
pub const BASE_IMAGE: &str = "slipway-bench/base";

const WEB_DOCKERFILE: &str = include_str!("fixtures/web.Dockerfile");
const BASE_DOCKERFILE: &str = include_str!("fixtures/base.Dockerfile");

pub struct TestApp {
    /// The name of the app and of its namespace.
    pub name: String,
    dir: TempDir,
}

impl TestApp {
    /// A web server with one page, committed to branch `main`.
    pub async fn web(env: &BenchEnv, hint: &str) -> Result<Self> {
        let name = env.unique_namespace(hint);
        build_base_image(env).await?;
        let dir = TempDir::with_prefix_in(format!("{hint}-"), env.memory.path()).context("cannot make a directory")?;
        let app = Self { name, dir };
        run(app.git().args(["init", "-q", "-b", "main"])).await?;
        let dockerfile = WEB_DOCKERFILE.replace("BASE_IMAGE", BASE_IMAGE);
        std::fs::write(app.path().join("Dockerfile"), dockerfile).context("cannot write a Dockerfile")?;
        app.commit_page("first").await?;
        Ok(app)
    }

    /// Commits a new page, and returns the commit's id.
    pub async fn commit_page(&self, page: &str) -> Result<String> {
        std::fs::write(self.path().join("index.html"), format!("{page}\n")).context("cannot write a page")?;
        run(self.git().args(["add", "-A"])).await?;
        run(self.git().args(["commit", "-q", "-m", page])).await?;
        run(self.git().args(["rev-parse", "HEAD"])).await
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// `git` in the working copy.
    pub fn git(&self) -> Command {
        git(self.path())
    }

    /// `git push` of a branch to a gateway.
    pub fn push(&self, gateway: &Gateway, branch: &str) -> Command {
        let mut push = self.git();
        push.env("GIT_SSH_COMMAND", sshd::client_command(&gateway.key(), None));
        push.args(["push", &repository_url(gateway.ssh, &self.name), branch]);
        push
    }

    /// Deletes the app, its namespace and its images in the registry.
    pub async fn destroy(&self, gateway: &Gateway) -> Result<()> {
        run(ssh(gateway).args(["apps:destroy", &self.name, "--force"])).await.map(drop)
    }
}

/// `ssh` to a gateway as its admin, to be followed by one of slipway's commands.
pub fn ssh(gateway: &Gateway) -> Command {
    let words = sshd::client_command(&gateway.key(), None);
    let mut words = words.split(' ');
    let mut ssh = command(words.next().unwrap_or_default());
    ssh.args(words).args(["-p", &gateway.ssh.port().to_string(), "git@127.0.0.1"]);
    ssh
}

pub fn repository_url(server: SocketAddr, path: &str) -> String {
    format!("ssh://git@{server}/{path}")
}

/// `git` in a directory, isolated from the user's and the system's configuration.
pub fn git(dir: &Path) -> Command {
    let mut git = command("git");
    git.current_dir(dir).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "Ann").env(format!("GIT_{who}_EMAIL"), "ann@example.com");
    }
    git
}

/// Builds [`BASE_IMAGE`] unless the Engine has it.
pub async fn build_base_image(env: &BenchEnv) -> Result<()> {
    env.track_image(BASE_IMAGE);
    if run_unchecked(command("docker").args(["image", "inspect", BASE_IMAGE])).await?.status.success() {
        return Ok(());
    }
    let dir = TempDir::new_in(env.disk.path()).context("cannot make a directory")?;
    let busybox = PathBuf::from(run(command("sh").args(["-c", "command -v busybox"])).await?);
    std::fs::copy(busybox, dir.path().join("busybox")).context("cannot copy busybox")?;
    std::fs::write(dir.path().join("Dockerfile"), BASE_DOCKERFILE).context("cannot write a Dockerfile")?;
    run(command("docker").args(["build", "-q", "-t", BASE_IMAGE]).arg(dir.path())).await.map(drop)
}
