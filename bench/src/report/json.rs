//! `results.json`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::program::version;
use crate::row::Row;
use crate::world::World;

#[derive(Serialize)]
struct Results<'a> {
    versions: BTreeMap<&'static str, String>,
    ciphers: BTreeMap<String, String>,
    sizes: BTreeMap<String, String>,
    machine: BTreeMap<&'static str, String>,
    quick: bool,
    rows: &'a [Row],
}

/// Writes everything to a file.
///
/// # Errors
/// If it cannot be written.
pub async fn write(world: &World, rows: &[Row], path: &Path) -> Result<()> {
    let results = Results {
        versions: versions(world).await,
        ciphers: world.ciphers(),
        sizes: world.sizes(),
        machine: machine(),
        quick: world.quick,
        rows,
    };
    let text = serde_json::to_string_pretty(&results).context("cannot write the results down")?;
    std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

async fn versions(world: &World) -> BTreeMap<&'static str, String> {
    let slipway = world.program.display().to_string();
    let cluster = world.cluster.apiserver_version().await.map(|info| info.git_version).unwrap_or_default();
    BTreeMap::from([
        ("slipway", version(&slipway, &["version"]).await),
        ("git", version("git", &["--version"]).await),
        ("openssh", version("ssh", &["-V"]).await),
        ("docker", version("docker", &["version", "--format", "{{.Server.Version}}"]).await),
        ("helm", version("helm", &["version", "--short"]).await),
        ("kubectl", version("kubectl", &["version", "--client"]).await),
        ("kubernetes", cluster),
        ("rustc", version("rustc", &["--version"]).await),
    ])
}

fn machine() -> BTreeMap<&'static str, String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    BTreeMap::from([
        ("cpu", field(&read("/proc/cpuinfo"), "model name")),
        ("cores", cores.to_string()),
        ("memory", field(&read("/proc/meminfo"), "MemTotal")),
        ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("load", read("/proc/loadavg").trim().to_owned()),
    ])
}
