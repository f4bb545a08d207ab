//! What the measurements stand on: the cluster, the Engine and the registry that `dev/bench` brought up, and the programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use kube::Client;
use slipway::registry::Registry;
use tempfile::TempDir;

use crate::cluster;
use crate::measure::Effort;
use crate::program::{self, command};

/// Everything that the rows share.
pub struct World {
    /// Fewer rounds and smaller sizes.
    pub quick: bool,
    /// How many apps the row about scale makes.
    pub scale: usize,
    /// slipway, as it is released.
    pub program: PathBuf,
    /// This program.
    pub own: PathBuf,
    /// `HOST:PORT` of the registry.
    pub registry: String,
    /// The Engine's address.
    pub engine: String,
    /// Whether this machine reaches the addresses of Services, as it does where it is the node.
    pub reaches_services: bool,
    /// The cluster.
    pub cluster: Client,
    /// A directory on the disk that is measured.
    pub disk: TempDir,
    /// A directory in memory.
    pub memory: TempDir,
    facts: Mutex<Facts>,
}

/// What has to be known beside the figures.
#[derive(Default)]
struct Facts {
    sizes: BTreeMap<String, String>,
    ciphers: BTreeMap<String, String>,
    namespaces: Vec<String>,
    images: Vec<String>,
}

impl World {
    /// Looks around.
    ///
    /// # Errors
    /// If something is missing.
    pub async fn new(quick: bool, scale: usize, program: PathBuf, output: &Path) -> Result<Self> {
        std::fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
        let variable = |name: &str| {
            std::env::var(name).with_context(|| format!("{name} is not set: run `make bench`, or dev/bench"))
        };
        let disk = TempDir::with_prefix_in("work-", output).context("cannot make a directory on disk")?;
        Ok(Self {
            quick,
            scale,
            program: installed(&program, disk.path())?,
            own: std::env::current_exe().context("cannot find the program itself")?,
            registry: variable("SLIPWAY_REGISTRY")?,
            engine: variable("DOCKER_HOST")?,
            reaches_services: variable("SLIPWAY_DEV_CLUSTER_KIND")? == "own",
            cluster: slipway::clusters::connect().await.context("cannot connect to the cluster")?.0,
            disk,
            memory: TempDir::with_prefix_in("slipway-bench-", "/dev/shm")
                .context("cannot make a directory in memory")?,
            facts: Mutex::default(),
        })
    }

    /// One effort for the whole run, another for a quick one.
    pub fn effort(&self, whole: Effort, quick: Effort) -> Effort {
        if self.quick { quick } else { whole }
    }

    /// Notes a size that figures depend on.
    pub fn size(&self, name: &str, value: impl ToString) {
        self.with(|facts| facts.sizes.insert(name.to_owned(), value.to_string()));
    }

    /// Notes what a connection was encrypted with.
    pub fn cipher(&self, name: &str, value: impl ToString) {
        self.with(|facts| facts.ciphers.insert(name.to_owned(), value.to_string()));
    }

    /// The sizes that were noted.
    pub fn sizes(&self) -> BTreeMap<String, String> {
        self.with(|facts| facts.sizes.clone())
    }

    /// The ciphers that were noted.
    pub fn ciphers(&self) -> BTreeMap<String, String> {
        self.with(|facts| facts.ciphers.clone())
    }

    /// A name that nothing else has, for a namespace that goes at the end.
    pub fn namespace(&self, hint: &str) -> String {
        let name = format!("bench-{}-{hint}", std::process::id());
        self.with(|facts| facts.namespaces.push(name.clone()));
        name
    }

    /// An image in the Engine that goes at the end.
    pub fn image(&self, name: &str) {
        self.with(|facts| facts.images.push(name.to_owned()));
    }

    /// Removes what was made in the cluster and in the Engine, and waits until it has gone.
    ///
    /// # Errors
    /// If something stays.
    pub async fn clean(&self) -> Result<()> {
        let (namespaces, images) = self.with(|facts| (facts.namespaces.clone(), facts.images.clone()));
        for image in images {
            self.forget(&image).await;
            // an image that was never made is no trouble
            let _ = program::finish(command("docker").args(["image", "rm", "-f", &image])).await;
        }
        cluster::remove(&self.cluster, &namespaces).await?;
        self.remove_pulled().await
    }

    /// Removes the images that the node pulled for pods of this run, where the node's Engine is the one at hand.
    async fn remove_pulled(&self) -> Result<()> {
        let ours = format!("{}/bench-{}-", self.registry, std::process::id());
        let all = ["image", "ls", "--digests", "--format", "{{.Repository}}@{{.Digest}}"];
        for image in program::run(command("docker").args(all)).await?.lines().filter(|name| name.starts_with(&ours)) {
            // what a container still uses is no trouble
            let _ = program::finish(command("docker").args(["image", "rm", "-f", image])).await;
        }
        Ok(())
    }

    /// Removes an image from the registry, if it was pushed there by hand. What the registry keeps is no trouble.
    async fn forget(&self, image: &str) {
        let digests = ["image", "inspect", "--format", "{{join .RepoDigests \"\\n\"}}", image];
        let Ok(digests) = program::run(command("docker").args(digests)).await else { return };
        let Ok(registry) = Registry::new(&self.registry, &self.registry, &[]) else { return };
        for (name, digest) in digests.lines().filter_map(|line| line.split_once('@')) {
            let app = name.rsplit_once('/').and_then(|(_, app)| app.parse().ok());
            if let (Some(app), Ok(digest)) = (app, digest.parse()) {
                let _ = registry.forget(&app, &digest).await;
            }
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Facts) -> T) -> T {
        change(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A copy of slipway, as one installs it, and as helm and kubectl were: what a linker has just written lies in the page cache
/// in small pieces, and takes a third longer to start.
fn installed(program: &Path, dir: &Path) -> Result<PathBuf> {
    let copy = dir.canonicalize().context("cannot find the directory on disk")?.join("slipway");
    std::fs::copy(program, &copy).with_context(|| format!("cannot copy {}", program.display()))?;
    Ok(copy)
}
