//! The environment of a run: the cluster, Engine and registry that `dev/bench` started, the programs, and everything that the
//! run has to clean up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use kube::Client;
use slipway::domain::KubeVersion;
use slipway::registry::Registry;
use tempfile::TempDir;
use tokio::process::Command;

use crate::cluster;
use crate::command::{self, command};
use crate::sampling::SamplePlan;

pub struct BenchEnv {
    /// Fewer rounds and smaller sizes.
    pub quick: bool,
    /// The number of apps in the row about scale.
    pub scale: usize,
    /// The slipway binary.
    pub program: PathBuf,
    /// The benchmark binary, for clients in processes of their own.
    pub bench_program: PathBuf,
    /// `HOST:PORT` of the registry.
    pub registry: String,
    /// The Engine's URL.
    pub engine: String,
    /// Whether this machine can connect to cluster IPs, as it can where it is the node.
    pub reaches_services: bool,
    pub cluster: Client,
    pub kube_version: KubeVersion,
    /// A temporary directory on disk.
    pub disk: TempDir,
    /// A temporary directory in memory (tmpfs).
    pub memory: TempDir,
    metadata: Mutex<RunMetadata>,
}

/// Facts that the report states beside the figures, and objects that the clean-up deletes.
#[derive(Default)]
struct RunMetadata {
    sizes: BTreeMap<String, String>,
    ciphers: BTreeMap<String, String>,
    namespaces: Vec<String>,
    images: Vec<String>,
}

impl BenchEnv {
    /// Reads the variables of `dev/bench` and connects to the cluster.
    pub async fn new(quick: bool, scale: usize, program: PathBuf, output: &Path) -> Result<Self> {
        std::fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
        let variable = |name: &str| {
            std::env::var(name).with_context(|| format!("{name} is not set: run `make bench`, or dev/bench"))
        };
        let cluster = slipway::k8s::client_from_env().await.context("cannot connect to the cluster")?.0;
        let kube_version = slipway::k8s::server_version(&cluster).await.context("cannot read the cluster's version")?;
        let disk = TempDir::with_prefix_in("work-", output).context("cannot make a directory on disk")?;
        Ok(Self {
            quick,
            scale,
            program: install_copy(&program, disk.path())?,
            bench_program: std::env::current_exe().context("cannot find the benchmark binary")?,
            registry: variable("SLIPWAY_REGISTRY")?,
            engine: variable("DOCKER_HOST")?,
            reaches_services: variable("SLIPWAY_DEV_CLUSTER_KIND")? == "own",
            cluster,
            kube_version,
            disk,
            memory: TempDir::with_prefix_in("slipway-bench-", "/dev/shm")
                .context("cannot make a directory in memory")?,
            metadata: Mutex::default(),
        })
    }

    /// `slipway render` of an app, as the gateways under test render it for this cluster.
    pub fn render_command(&self, app: &str, image: &str) -> Command {
        let mut render = command(&self.program);
        render.args(["render", "--app", app, "--image", image, "--settle-time", "0s", "--endpoint-delay", "0s"]);
        render.args(["--kube-version", &self.kube_version.to_string()]);
        render
    }

    /// Chooses the plan for a full or for a quick run.
    pub fn plan(&self, full: SamplePlan, quick: SamplePlan) -> SamplePlan {
        if self.quick { quick } else { full }
    }

    /// Records a size that figures depend on.
    pub fn record_size(&self, name: &str, value: impl ToString) {
        self.with_metadata(|metadata| metadata.sizes.insert(name.to_owned(), value.to_string()));
    }

    /// Records the cipher of a connection.
    pub fn record_cipher(&self, name: &str, value: impl ToString) {
        self.with_metadata(|metadata| metadata.ciphers.insert(name.to_owned(), value.to_string()));
    }

    pub fn sizes(&self) -> BTreeMap<String, String> {
        self.with_metadata(|metadata| metadata.sizes.clone())
    }

    pub fn ciphers(&self) -> BTreeMap<String, String> {
        self.with_metadata(|metadata| metadata.ciphers.clone())
    }

    /// A name for a namespace that is unique to this run and deleted at its end.
    pub fn unique_namespace(&self, hint: &str) -> String {
        let name = format!("bench-{}-{hint}", std::process::id());
        self.with_metadata(|metadata| metadata.namespaces.push(name.clone()));
        name
    }

    /// Marks an image of the Engine for deletion at the end of the run.
    pub fn track_image(&self, name: &str) {
        self.with_metadata(|metadata| metadata.images.push(name.to_owned()));
    }

    /// Deletes the run's namespaces and images, and waits until the namespaces are gone.
    pub async fn clean_up(&self) -> Result<()> {
        let (namespaces, images) =
            self.with_metadata(|metadata| (metadata.namespaces.clone(), metadata.images.clone()));
        for image in images {
            self.delete_from_registry(&image).await;
            // fails for an image that was never built
            let _ = command::run_unchecked(command("docker").args(["image", "rm", "-f", &image])).await;
        }
        cluster::delete_namespaces(&self.cluster, &namespaces).await?;
        self.remove_pulled_images().await
    }

    /// Removes the images that the node pulled for pods of this run, if the node uses the same Engine.
    async fn remove_pulled_images(&self) -> Result<()> {
        let ours = format!("{}/bench-{}-", self.registry, std::process::id());
        let all = ["image", "ls", "--digests", "--format", "{{.Repository}}@{{.Digest}}"];
        for image in command::run(command("docker").args(all)).await?.lines().filter(|name| name.starts_with(&ours)) {
            // fails for an image that a container still uses
            let _ = command::run_unchecked(command("docker").args(["image", "rm", "-f", image])).await;
        }
        Ok(())
    }

    /// Deletes an image that was pushed by hand from the registry. Errors are ignored: the registry may keep images.
    async fn delete_from_registry(&self, image: &str) {
        let digests = ["image", "inspect", "--format", "{{join .RepoDigests \"\\n\"}}", image];
        let Ok(digests) = command::run(command("docker").args(digests)).await else { return };
        let Ok(registry) = Registry::new(&self.registry, &self.registry, &[]) else { return };
        for (name, digest) in digests.lines().filter_map(|line| line.split_once('@')) {
            let app = name.rsplit_once('/').and_then(|(_, app)| app.parse().ok());
            if let (Some(app), Ok(digest)) = (app, digest.parse()) {
                let _ = registry.delete_image(&app, &digest).await;
            }
        }
    }

    fn with_metadata<T>(&self, change: impl FnOnce(&mut RunMetadata) -> T) -> T {
        change(&mut self.metadata.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Copies slipway, as installing does, and as helm and kubectl were: a file that the linker has just written is fragmented in
/// the page cache, and takes a third longer to start.
fn install_copy(program: &Path, dir: &Path) -> Result<PathBuf> {
    let copy = dir.canonicalize().context("cannot find the directory on disk")?.join("slipway");
    std::fs::copy(program, &copy).with_context(|| format!("cannot copy {}", program.display()))?;
    Ok(copy)
}
