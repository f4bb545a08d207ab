//! Benchmarks of slipway against the tools that it replaces. `make bench` runs them; `docs/performance.md` explains the figures.

mod background_process;
mod cluster;
mod command;
mod environment;
mod gateway;
mod helm_chart;
mod http_probe;
mod login_client;
mod measurement;
mod process_stats;
mod proxy;
mod report;
mod rows;
mod sampling;
mod ssh_keys;
mod sshd;
mod stats;
mod test_app;
mod watcher;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::environment::BenchEnv;
use crate::measurement::Measurement;

/// Benchmarks of slipway against the tools that it replaces.
#[derive(Debug, Parser)]
#[command(name = "slipway-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure, print the table, write results.json and results.md
    Run(RunArgs),
    /// An SSH client that the benchmarks start as a process of its own
    #[command(subcommand, hide = true)]
    Client(login_client::ClientCommand),
}

#[derive(Debug, Clone, Args)]
struct RunArgs {
    /// The release build of slipway
    #[arg(long, value_name = "FILE", default_value = "target/release/slipway")]
    program: PathBuf,
    /// Directory for the results and for temporary files
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    output: PathBuf,
    /// Fewer rounds, smaller sizes
    #[arg(long)]
    quick: bool,
    /// Number of apps in the row about scale [default: 1000; 100 with --quick]
    #[arg(long, env = "SCALE", value_name = "N")]
    scale: Option<usize>,
    /// Only these rows, such as P3 or P10 [default: all]
    #[arg(value_name = "ROW")]
    rows: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run_benchmarks(args).await,
        Command::Client(client) => login_client::run(client).await.map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("slipway-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether every row could be measured.
async fn run_benchmarks(args: RunArgs) -> Result<bool> {
    let RunArgs { program, output, quick, scale, rows: selected } = args;
    let scale = scale.unwrap_or(if quick { 100 } else { 1000 });
    let env = BenchEnv::new(quick, scale, program, &output).await?;
    let measured = tokio::select! {
        measured = rows::measure(&env, &selected) => Ok(measured),
        interrupted = wait_for_interrupt() => Err(interrupted),
    };
    let cleaned = env.clean_up().await;
    let (measurements, complete): (Vec<Measurement>, bool) = match measured {
        Ok(measured) => measured,
        Err(interrupted) => return interrupted.map(|()| false),
    };
    report::publish(&env, &measurements, &output).await?;
    cleaned.context("cannot clean up")?;
    Ok(complete)
}

async fn wait_for_interrupt() -> Result<()> {
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
