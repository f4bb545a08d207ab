//! P6: the memory of an idle, authenticated connection.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::environment::BenchEnv;
use crate::gateway::{Gateway, GatewayOptions};
use crate::measurement::{Goal, Measurement, Ratio, Title};
use crate::process_stats;
use crate::sampling::{SamplePlan, sample_rounds};
use crate::sshd::{Sshd, SshdOptions};

const TITLE: Title = Title { id: "P6", what: "memory of an idle connection", baseline: "sshd" };
const CLIENT_TIMEOUT: Duration = Duration::from_secs(180);
/// Time for a server to free the memory of its handshakes before its memory is read.
const SETTLE_TIME: Duration = Duration::from_millis(500);

pub async fn measure(env: &BenchEnv) -> Result<Vec<Measurement>> {
    let count = if env.quick { 100 } else { 500 };
    env.record_size("P6 connections", count);
    // each round starts new servers, because an allocator may keep memory that was once used
    let plan = env.plan(SamplePlan::new(0, 3), SamplePlan::new(0, 1));
    let measured = sample_rounds(plan, async || {
        let slipway = Gateway::start(env, GatewayOptions { name: "p6", ..Default::default() }).await?;
        let ours = memory_per_connection(env, slipway.pid(), slipway.ssh, &slipway.key(), count).await?;
        let sshd = Sshd::start(env, SshdOptions::default()).await?;
        let theirs = memory_per_connection(env, sshd.pid(), sshd.address, &sshd.key(), count).await?;
        Ok([ours, theirs])
    });
    let [ours, theirs] = measured.await?;
    let note = format!(
        "the Pss of all server processes with {count} connections, less the Pss without them, divided by {count}; the user is root, for whom sshd runs one process for each connection instead of two"
    );
    Ok(vec![
        Measurement::from_samples(TITLE, "KiB", Ratio::OursToTheirs, Goal::AtMost(0.1), &ours, &theirs).with_note(note),
    ])
}

async fn memory_per_connection(
    env: &BenchEnv,
    server: u32,
    address: SocketAddr,
    key: &Path,
    count: usize,
) -> Result<f64> {
    let before = process_stats::tree_pss_kib(server)?;
    let mut client = Command::new(&env.bench_program);
    client.args(["client", "hold", "--address", &address.to_string(), "--count", &count.to_string()]);
    client.arg("--key").arg(key).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut client = client.spawn().context("the client cannot be started")?;
    let mut lines = BufReader::new(client.stdout.take().context("the client has no standard output")?).lines();
    let held = tokio::time::timeout(CLIENT_TIMEOUT, lines.next_line()).await;
    let held =
        held.context("the client did not open its connections in time")?.context("cannot read the client's output")?;
    if held.as_deref() != Some("held") {
        bail!("the client could not keep {count} connections open");
    }
    tokio::time::sleep(SETTLE_TIME).await;
    let after = process_stats::tree_pss_kib(server)?;
    drop(client.stdin.take());
    let ended = tokio::time::timeout(CLIENT_TIMEOUT, client.wait()).await.context("the client did not exit in time")?;
    ended.context("cannot wait for the client")?;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    Ok((after - before) / count as f64)
}
