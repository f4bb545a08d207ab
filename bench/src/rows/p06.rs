//! P6: the memory that an idle, authenticated connection takes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::gateway::{self, Gateway};
use crate::measure::{Effort, rounds};
use crate::proc;
use crate::row::{Goal, Ratio, Row, Title};
use crate::sshd::{self, Sshd};
use crate::world::World;

const TITLE: Title = Title { id: "P6", what: "memory of an idle connection", beside: "sshd" };
/// How long the connections may take.
const LIMIT: Duration = Duration::from_secs(180);
/// How long a server gets to come to rest before its memory is read.
const REST: Duration = Duration::from_millis(500);

/// Measures it.
///
/// # Errors
/// If a login fails.
pub async fn rows(world: &World) -> Result<Vec<Row>> {
    let count = if world.quick { 100 } else { 500 };
    world.size("P6 connections", count);
    // Each round has servers of its own: what a server has once taken it may keep.
    let effort = world.effort(Effort::of(0, 3), Effort::of(0, 1));
    let measured = rounds(effort, async || {
        let slipway = Gateway::start(world, gateway::Wish { name: "p6", ..Default::default() }).await?;
        let ours = per_connection(world, slipway.pid(), slipway.ssh, &slipway.key(), count).await?;
        let sshd = Sshd::start(world, sshd::Wish::default()).await?;
        let theirs = per_connection(world, sshd.pid(), sshd.address, &sshd.key(), count).await?;
        Ok([ours, theirs])
    });
    let [ours, theirs] = measured.await?;
    let note = format!(
        "Pss of all processes with {count} connections, less that without, for each; the user is root, for whom sshd has one process a connection and not two"
    );
    Ok(vec![Row::measured(TITLE, "KiB", Ratio::OursToTheirs, Goal::AtMost(0.1), &ours, &theirs).noted(note)])
}

async fn per_connection(world: &World, server: u32, address: SocketAddr, key: &Path, count: usize) -> Result<f64> {
    let before = proc::family_memory(server)?;
    let mut client = Command::new(&world.own);
    client.args(["client", "hold", "--address", &address.to_string(), "--count", &count.to_string()]);
    client.arg("--key").arg(key).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut client = client.spawn().context("the client cannot be started")?;
    let mut lines = BufReader::new(client.stdout.take().context("the client says nothing")?).lines();
    let held = tokio::time::timeout(LIMIT, lines.next_line()).await;
    let held = held.context("the connections were not made in time")?.context("the client cannot be heard")?;
    if held.as_deref() != Some("held") {
        bail!("the client could not hold {count} connections");
    }
    tokio::time::sleep(REST).await;
    let after = proc::family_memory(server)?;
    drop(client.stdin.take());
    let ended = tokio::time::timeout(LIMIT, client.wait()).await.context("the client does not end")?;
    ended.context("the client does not end")?;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    Ok((after - before) / count as f64)
}
