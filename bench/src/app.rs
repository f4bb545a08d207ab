//! An app as its developer has it: a repository with a Dockerfile and a page.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::process::Command;

use crate::gateway::Gateway;
use crate::program::{command, finish, run};
use crate::sshd;
use crate::world::World;

/// The image that apps start from: busybox, and nothing else.
pub const BASE: &str = "slipway-bench/base";

/// A working copy.
pub struct App {
    /// The app and its namespace.
    pub name: String,
    dir: TempDir,
}

impl App {
    /// A web server with one page, committed.
    ///
    /// # Errors
    /// If git or the Engine fail.
    pub async fn web(world: &World, hint: &str) -> Result<Self> {
        let name = world.namespace(hint);
        base_image(world).await?;
        let dir =
            TempDir::with_prefix_in(format!("{hint}-"), world.memory.path()).context("cannot make a directory")?;
        let app = Self { name, dir };
        run(app.git().args(["init", "-q", "-b", "main"])).await?;
        let dockerfile = format!(
            "FROM {BASE}\nCOPY index.html /www/\nEXPOSE 8080\nCMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n"
        );
        std::fs::write(app.path().join("Dockerfile"), dockerfile).context("cannot write a Dockerfile")?;
        app.change("first").await?;
        Ok(app)
    }

    /// Commits another page: the commit.
    ///
    /// # Errors
    /// If git fails.
    pub async fn change(&self, page: &str) -> Result<String> {
        std::fs::write(self.path().join("index.html"), format!("{page}\n")).context("cannot write a page")?;
        run(self.git().args(["add", "-A"])).await?;
        run(self.git().args(["commit", "-q", "-m", page])).await?;
        run(self.git().args(["rev-parse", "HEAD"])).await
    }

    /// The working copy.
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
        push.env("GIT_SSH_COMMAND", sshd::client(&gateway.key(), None));
        push.args(["push", &url(gateway.ssh, &self.name), branch]);
        push
    }

    /// Ends the app as its owner would, and its images in the registry with it.
    ///
    /// # Errors
    /// If it stays.
    pub async fn destroy(&self, gateway: &Gateway) -> Result<()> {
        run(ssh(gateway).args(["apps:destroy", &self.name, "--force"])).await.map(drop)
    }
}

/// `ssh` to a gateway as its admin; a command of slipway's follows.
pub fn ssh(gateway: &Gateway) -> Command {
    let words = sshd::client(&gateway.key(), None);
    let mut words = words.split(' ');
    let mut ssh = command(words.next().unwrap_or_default());
    ssh.args(words).args(["-p", &gateway.ssh.port().to_string(), "git@127.0.0.1"]);
    ssh
}

/// The address of a repository.
pub fn url(server: SocketAddr, path: &str) -> String {
    format!("ssh://git@{server}/{path}")
}

/// `git` in a directory, with no settings but these.
pub fn git(dir: &Path) -> Command {
    let mut git = command("git");
    git.current_dir(dir).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "Ann").env(format!("GIT_{who}_EMAIL"), "ann@example.com");
    }
    git
}

/// Builds [`BASE`], unless it is there. What busybox runs as a container's first process ignores SIGTERM: it is killed at once.
pub async fn base_image(world: &World) -> Result<()> {
    world.image(BASE);
    if finish(command("docker").args(["image", "inspect", BASE])).await?.status.success() {
        return Ok(());
    }
    let dir = TempDir::new_in(world.disk.path()).context("cannot make a directory")?;
    let busybox = PathBuf::from(run(command("sh").args(["-c", "command -v busybox"])).await?);
    std::fs::copy(busybox, dir.path().join("busybox")).context("cannot copy busybox")?;
    let dockerfile = "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nSTOPSIGNAL SIGKILL\n";
    std::fs::write(dir.path().join("Dockerfile"), dockerfile).context("cannot write a Dockerfile")?;
    run(command("docker").args(["build", "-q", "-t", BASE]).arg(dir.path())).await.map(drop)
}
