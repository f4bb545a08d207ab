//! git commands with an environment of our own, run to their end with bounded output.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitStatus;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, Command};

use super::child::{Group, Pipes};
use super::error::{Failure, GitError};
use crate::domain::ObjectStore;

/// How much of a child's standard error is kept.
const STDERR: u64 = 4096;
/// The largest piece of memory that git may ask for at once: a few megabytes of a pack can unfold into gigabytes.
const ALLOCATION: &str = "512m";
/// The memory of a git that holds a whole tree, in KiB: trees that share their parts unfold without a limit.
const ADDRESS_SPACE: u64 = 2 << 20;
/// The longest record that [`each`] reads.
const RECORD: u64 = 1 << 20;

/// Settings that hold for every git child, above whatever a repository's own `config` says.
const SETTINGS: [(&str, &str); 7] = [
    // A volume may belong to another user than the one slipway runs as.
    ("safe.directory", "*"),
    ("core.fsmonitor", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    // Larger blobs are streamed and not held in memory.
    ("core.bigFileThreshold", "16m"),
    // Packs are mapped into memory in pieces, so that one may be larger than what a process may map.
    ("core.packedGitWindowSize", "64m"),
    // What `umask 022` gives in a checkout, so that an image gets the modes people expect.
    ("tar.umask", "0022"),
];

/// A `git` with nothing from slipway's own environment but the search path.
///
/// The settings travel in `GIT_CONFIG_COUNT` and its kin: git ranks them as given on the command
/// line, which is where `safe.directory` counts and where a repository can't override `core.hooksPath`.
pub(super) fn git(settings: &[(&str, String)], hooks: &Path) -> Command {
    configured(Command::new("git"), settings, hooks)
}

/// The same, with a limit on all of its memory: for what has no other. Arguments are never read by the shell.
pub(super) fn bounded_git(settings: &[(&str, String)], hooks: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -v {ADDRESS_SPACE} && exec git \"$@\""), "git"]);
    configured(shell, settings, hooks)
}

fn configured(mut command: Command, settings: &[(&str, String)], hooks: &Path) -> Command {
    command.env_clear().env("PATH", search_path());
    command.envs([("HOME", "/nonexistent"), ("LC_ALL", "C")]);
    command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_ATTR_NOSYSTEM", "1")]);
    command.envs([("GIT_NO_REPLACE_OBJECTS", "1"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_ALLOC_LIMIT", ALLOCATION)]);
    let common = SETTINGS.iter().map(|(key, value)| (*key, OsString::from(value)));
    let own = settings.iter().map(|(key, value)| (*key, OsString::from(value)));
    let all = common.chain(own).chain([("core.hooksPath", hooks.as_os_str().to_owned())]);
    let mut count = 0_usize;
    for (key, value) in all {
        command.env(format!("GIT_CONFIG_KEY_{count}"), key).env(format!("GIT_CONFIG_VALUE_{count}"), value);
        count += 1;
    }
    command.env("GIT_CONFIG_COUNT", count.to_string());
    command
}

/// A `git` that looks into `store` and runs no hook.
pub(super) fn inspect(store: &ObjectStore, arguments: &[&str]) -> Command {
    let mut command = git(&[], Path::new("/dev/null"));
    command.args(arguments).envs(store.environment()).current_dir(&store.repository);
    // A path is a path, whatever `:(glob)` or `*` is in it.
    command.env("GIT_LITERAL_PATHSPECS", "1");
    command
}

fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())
}

/// A command that has ended.
pub(super) struct Finished {
    pub(super) stdout: Vec<u8>,
    failure: Failure,
}

impl Finished {
    pub(super) fn success(&self) -> bool {
        self.failure.status.success()
    }

    pub(super) fn code(&self) -> Option<i32> {
        self.failure.status.code()
    }

    /// What it printed, unless it failed.
    pub(super) fn succeeded(self) -> Result<Vec<u8>, GitError> {
        if self.success() { Ok(self.stdout) } else { Err(GitError::Failed(self.failure)) }
    }
}

/// Runs `command` with `input`; at most `limit` bytes of output are read.
pub(super) async fn run(mut command: Command, input: &[u8], limit: u64) -> Result<Finished, GitError> {
    let (mut group, Pipes { stdin, stdout, stderr }) = start(&mut command)?;
    let mut output = Vec::new();
    let mut bounded = stdout.take(limit);
    let reading = async {
        let read = bounded.read_to_end(&mut output).await;
        // A child that has more to say than we want ends by SIGPIPE.
        drop(bounded);
        read
    };
    let (read, stderr, ()) = tokio::join!(reading, tail(stderr), feed(stdin, input));
    read.map_err(GitError::io("read what git said"))?;
    let status = group.wait().await.map_err(GitError::io("wait for git"))?;
    Ok(Finished { stdout: output, failure: failure(&command, status, stderr) })
}

/// Runs `command` and hands its output to `each`, record by record. None when `each` broke off.
pub(super) async fn each(
    mut command: Command,
    input: &[u8],
    separator: u8,
    each: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<Option<Finished>, GitError> {
    let (mut group, Pipes { stdin, stdout, stderr }) = start(&mut command)?;
    let stderr = tokio::spawn(tail(stderr));
    let (flow, ()) = tokio::join!(records(stdout, separator, each), feed(stdin, input));
    if flow.map_err(GitError::io("read what git said"))?.is_break() {
        return Ok(None);
    }
    let status = group.wait().await.map_err(GitError::io("wait for git"))?;
    let stderr = stderr.await.unwrap_or_default();
    Ok(Some(Finished { stdout: Vec::new(), failure: failure(&command, status, stderr) }))
}

async fn records(
    stdout: impl AsyncRead + Unpin,
    separator: u8,
    mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> std::io::Result<ControlFlow<()>> {
    let mut reader = BufReader::with_capacity(64 << 10, stdout);
    let mut record = Vec::new();
    loop {
        record.clear();
        if (&mut reader).take(RECORD).read_until(separator, &mut record).await? == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        if record.pop_if(|last| *last == separator).is_none() && record.len() as u64 >= RECORD {
            return Err(std::io::Error::other("a record is too long"));
        }
        if each(&record).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

fn start(command: &mut Command) -> Result<(Group, Pipes), GitError> {
    Group::spawn_piped(command).map_err(GitError::io("start git"))
}

/// A child that ends before it has read everything is judged by its status.
async fn feed(mut stdin: ChildStdin, input: &[u8]) {
    let _ = stdin.write_all(input).await;
}

/// The beginning of what the child says on standard error; the rest is read and forgotten.
pub(super) async fn tail(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let _ = (&mut stderr).take(STDERR).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).trim().to_owned()
}

/// How a command ended, for the log.
pub(super) fn failure(command: &Command, status: ExitStatus, stderr: String) -> Failure {
    let name = command.as_std().get_args().next().unwrap_or_default().to_string_lossy().into_owned();
    Failure { command: name, status, stderr }
}
