//! Commands that are run to completion, with a timeout.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::time::timeout;

const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);
/// Number of characters of a failed command's output that its error contains.
const ERROR_TAIL: usize = 2000;

/// A command without standard input and with captured output. Dropping the future that runs it kills the process.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a command. A failure exit status is not an error.
pub async fn run_unchecked(command: &mut Command) -> Result<Output> {
    let name = display(command);
    let output = timeout(COMMAND_TIMEOUT, command.output()).await;
    let output = output.with_context(|| format!("{name} ran for more than {COMMAND_TIMEOUT:?}"))?;
    output.with_context(|| format!("{name} cannot be started"))
}

/// Runs a command that has to succeed, and returns its standard output.
pub async fn run(command: &mut Command) -> Result<String> {
    let output = run_unchecked(command).await?;
    check_success(command, &output)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Runs a command that has to succeed, and returns its duration in seconds.
pub async fn run_timed(command: &mut Command) -> Result<f64> {
    let began = Instant::now();
    let output = run_unchecked(command).await?;
    let seconds = began.elapsed().as_secs_f64();
    check_success(command, &output)?;
    Ok(seconds)
}

/// The first line of a program's version, from either output stream.
pub async fn version(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = run_unchecked(command(program).args(arguments)).await else { return "missing".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().trim().to_owned()
}

fn check_success(command: &Command, output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let skipped = printed.chars().count().saturating_sub(ERROR_TAIL);
    let tail: String = printed.chars().skip(skipped).collect();
    bail!("{} failed with {}:\n{tail}", display(command), output.status)
}

fn display(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
