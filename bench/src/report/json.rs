//! `results.json`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::command::version;
use crate::environment::BenchEnv;
use crate::measurement::Measurement;

#[derive(Serialize)]
struct Results<'a> {
    versions: BTreeMap<&'static str, String>,
    ciphers: BTreeMap<String, String>,
    sizes: BTreeMap<String, String>,
    machine: BTreeMap<&'static str, String>,
    quick: bool,
    rows: &'a [Measurement],
}

pub async fn write(env: &BenchEnv, rows: &[Measurement], path: &Path) -> Result<()> {
    let results = Results {
        versions: versions(env).await,
        ciphers: env.ciphers(),
        sizes: env.sizes(),
        machine: machine(),
        quick: env.quick,
        rows,
    };
    let text = serde_json::to_string_pretty(&results).context("cannot encode the results")?;
    std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

async fn versions(env: &BenchEnv) -> BTreeMap<&'static str, String> {
    let slipway = env.program.display().to_string();
    let cluster = env.cluster.apiserver_version().await.map(|info| info.git_version).unwrap_or_default();
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
