//! Running programs to their end, bounded in time.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::time::timeout;

/// The longest that a program may run.
const LIMIT: Duration = Duration::from_secs(300);
/// How much of what a failed program said is shown.
const TAIL: usize = 2000;

/// A command with nothing on its standard input. It ends with whoever waits for it.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a program, whatever comes of it.
///
/// # Errors
/// If it cannot be started, or takes too long.
pub async fn finish(command: &mut Command) -> Result<Output> {
    let name = name(command);
    let output =
        timeout(LIMIT, command.output()).await.with_context(|| format!("{name} ran for more than {LIMIT:?}"))?;
    output.with_context(|| format!("{name} cannot be started"))
}

/// Runs a program that has to succeed: its standard output.
///
/// # Errors
/// If it fails; the error has the end of what it said.
pub async fn run(command: &mut Command) -> Result<String> {
    let output = finish(command).await?;
    check(command, &output)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Runs a program that has to succeed: how long it took, in seconds.
///
/// # Errors
/// As [`run`].
pub async fn timed(command: &mut Command) -> Result<f64> {
    let began = Instant::now();
    let output = finish(command).await?;
    let seconds = began.elapsed().as_secs_f64();
    check(command, &output)?;
    Ok(seconds)
}

/// The first line that a program prints about its version, on whichever stream.
pub async fn version(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = finish(command(program).args(arguments)).await else { return "missing".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

fn check(command: &Command, output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let skipped = said.chars().count().saturating_sub(TAIL);
    let end: String = said.chars().skip(skipped).collect();
    bail!("{} failed with {}:\n{end}", name(command), output.status)
}

fn name(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
