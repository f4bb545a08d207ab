//! slipway measured beside what one would use instead. `make bench` runs it; `docs/performance.md` says how to read it.

mod app;
mod chart;
mod cluster;
mod daemon;
mod gateway;
mod keypair;
mod login;
mod measure;
mod page;
mod proc;
mod program;
mod proxy;
mod report;
mod row;
mod rows;
mod sshd;
mod stats;
mod watching;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::row::Row;
use crate::world::World;

/// slipway measured beside what one would use instead.
#[derive(Debug, Parser)]
#[command(name = "slipway-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure, print the table, write results.json
    Run(Run),
    /// A client to be measured with
    #[command(subcommand, hide = true)]
    Client(login::Client),
}

#[derive(Debug, Clone, Args)]
struct Run {
    /// slipway, as it is released
    #[arg(long, value_name = "FILE", default_value = "target/release/slipway")]
    program: PathBuf,
    /// Directory for what is written
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    output: PathBuf,
    /// Fewer rounds, smaller sizes
    #[arg(long)]
    quick: bool,
    /// How many apps there are in the row about scale [default: 1000; 100 if quick]
    #[arg(long, env = "SCALE", value_name = "N")]
    scale: Option<usize>,
    /// Only these rows, such as P3 or P10 [default: all]
    #[arg(value_name = "ROW")]
    rows: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Run(run) => measure(run).await,
        Command::Client(client) => login::run(client).await.map(|()| true),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("slipway-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every row could be measured.
async fn measure(run: Run) -> Result<bool> {
    let Run { program, output, quick, scale, rows: wanted } = run;
    let scale = scale.unwrap_or(if quick { 100 } else { 1000 });
    let world = World::new(quick, scale, program, &output).await?;
    let measured = tokio::select! {
        measured = rows::all(&world, &wanted) => Ok(measured),
        interrupted = interrupted() => Err(interrupted),
    };
    let cleaned = world.clean().await;
    let (rows, whole): (Vec<Row>, bool) = match measured {
        Ok(measured) => measured,
        Err(interrupted) => return interrupted.map(|()| false),
    };
    report::all(&world, &rows, &output).await?;
    cleaned.context("cannot clean up")?;
    Ok(whole)
}

async fn interrupted() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    eprintln!("slipway-bench: interrupted; cleaning up");
    Ok(())
}
