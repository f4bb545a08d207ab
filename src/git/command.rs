//! git commands with a controlled environment, run to their end with bounded output.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, Command};

use super::error::{CommandFailure, GitError};
use super::process::{Pipes, ProcessGroup};
use crate::domain::GitObjects;

/// In bytes.
const STDERR_LIMIT: u64 = 4096;
/// `GIT_ALLOC_LIMIT`, the largest single allocation of git: a few megabytes of a pack can decompress to gigabytes.
const ALLOCATION_LIMIT: &str = "512m";
/// In KiB, for a git that holds a whole tree in memory: a tree with repeated subtrees can expand without bound.
const ADDRESS_SPACE_LIMIT: u64 = 2 << 20;
/// In bytes, for [`for_each_record`].
const RECORD_LIMIT: u64 = 1 << 20;

/// The configuration of every git process. It overrides a repository's own `config` file.
const COMMON_CONFIG: [(&str, &str); 7] = [
    // The owner of a volume may be another user than slipway's.
    ("safe.directory", "*"),
    ("core.fsmonitor", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    // Larger blobs are streamed instead of held in memory.
    ("core.bigFileThreshold", "16m"),
    // Packs are mapped into memory in windows, so that a pack may exceed the address space limit.
    ("core.packedGitWindowSize", "64m"),
    // The file modes of a checkout with `umask 022`: images built from the archive have the usual modes.
    ("tar.umask", "0022"),
];

/// A git command that inherits only the search path from slipway's environment.
///
/// The configuration is passed in `GIT_CONFIG_COUNT` and its companions. git gives it the precedence of `-c` options:
/// `safe.directory` is honoured there, and a repository cannot override `core.hooksPath`.
pub(super) fn git(config: &[(&str, String)], hooks_dir: &Path) -> Command {
    configure(Command::new("git"), config, hooks_dir)
}

/// Like [`git`], with a limit on the process's address space. The shell does not interpret the arguments.
pub(super) fn git_with_memory_limit(config: &[(&str, String)], hooks_dir: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -v {ADDRESS_SPACE_LIMIT} && exec git \"$@\""), "git"]);
    configure(shell, config, hooks_dir)
}

/// A git command that reads `objects` and runs no hook.
pub(super) fn git_in_repository(objects: &GitObjects, arguments: &[&str]) -> Command {
    let mut command = git(&[], Path::new("/dev/null"));
    command.args(arguments).envs(objects.environment()).current_dir(&objects.repository);
    // Paths from the pusher are never patterns, even if they contain `:(glob)` or `*`.
    command.env("GIT_LITERAL_PATHSPECS", "1");
    command
}

fn configure(mut command: Command, config: &[(&str, String)], hooks_dir: &Path) -> Command {
    command.env_clear().env("PATH", search_path());
    command.envs([("HOME", "/nonexistent"), ("LC_ALL", "C")]);
    command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_ATTR_NOSYSTEM", "1")]);
    command.envs([
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_ALLOC_LIMIT", ALLOCATION_LIMIT),
    ]);
    let common = COMMON_CONFIG.iter().map(|(key, value)| (*key, OsString::from(value)));
    let own = config.iter().map(|(key, value)| (*key, OsString::from(value)));
    let all = common.chain(own).chain([("core.hooksPath", hooks_dir.as_os_str().to_owned())]);
    let mut count = 0_usize;
    for (key, value) in all {
        command.env(format!("GIT_CONFIG_KEY_{count}"), key).env(format!("GIT_CONFIG_VALUE_{count}"), value);
        count += 1;
    }
    command.env("GIT_CONFIG_COUNT", count.to_string());
    command
}

fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())
}

/// A git process that has ended.
pub(super) struct CompletedProcess {
    pub(super) stdout: Vec<u8>,
    /// The error if the exit status is not 0.
    failure: CommandFailure,
}

impl CompletedProcess {
    pub(super) fn is_success(&self) -> bool {
        self.failure.status.success()
    }

    pub(super) fn exit_code(&self) -> Option<i32> {
        self.failure.status.code()
    }

    /// The standard output of a process that succeeded.
    pub(super) fn into_result(self) -> Result<Vec<u8>, GitError> {
        if self.is_success() { Ok(self.stdout) } else { Err(GitError::CommandFailed(self.failure)) }
    }
}

/// Runs `command` with `input` and reads at most `limit` bytes of its output.
pub(super) async fn run(mut command: Command, input: &[u8], limit: u64) -> Result<CompletedProcess, GitError> {
    let (mut group, Pipes { stdin, stdout, stderr }) = spawn(&mut command)?;
    let mut output = Vec::new();
    let mut limited = stdout.take(limit);
    let read_stdout = async {
        let read = limited.read_to_end(&mut output).await;
        // SIGPIPE ends a process that has more to write.
        drop(limited);
        read
    };
    let (read, stderr, ()) = tokio::join!(read_stdout, read_stderr(stderr), write_stdin(stdin, input));
    read.map_err(GitError::io("read the output of git"))?;
    let status = group.wait().await.map_err(GitError::io("wait for git"))?;
    Ok(CompletedProcess { stdout: output, failure: CommandFailure::new(&command, status, stderr) })
}

/// Runs `command`, whose output does not matter. `None` if `stop` resolved first: git was then ended in a way that lets it
/// remove its lock files.
pub(super) async fn run_until(
    mut command: Command,
    stop: impl Future<Output = ()>,
) -> Result<Option<CompletedProcess>, GitError> {
    let (mut group, Pipes { stdin, stdout, stderr }) = spawn(&mut command)?;
    drop((stdin, stdout));
    let stderr = tokio::spawn(read_stderr(stderr));
    let ended = tokio::select! {
        ended = group.wait() => Some(ended),
        () = stop => None,
    };
    let Some(ended) = ended else {
        group.terminate().await.map_err(GitError::io("end git"))?;
        return Ok(None);
    };
    let status = ended.map_err(GitError::io("wait for git"))?;
    let stderr = stderr.await.unwrap_or_default();
    Ok(Some(CompletedProcess { stdout: Vec::new(), failure: CommandFailure::new(&command, status, stderr) }))
}

/// Runs `command` and calls `visit` for each record of its output. `None` if `visit` stopped the command.
pub(super) async fn for_each_record(
    mut command: Command,
    input: &[u8],
    separator: u8,
    visit: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<Option<CompletedProcess>, GitError> {
    let (mut group, Pipes { stdin, stdout, stderr }) = spawn(&mut command)?;
    let stderr = tokio::spawn(read_stderr(stderr));
    let (flow, ()) = tokio::join!(read_records(stdout, separator, visit), write_stdin(stdin, input));
    if flow.map_err(GitError::io("read the output of git"))?.is_break() {
        return Ok(None);
    }
    let status = group.wait().await.map_err(GitError::io("wait for git"))?;
    let stderr = stderr.await.unwrap_or_default();
    Ok(Some(CompletedProcess { stdout: Vec::new(), failure: CommandFailure::new(&command, status, stderr) }))
}

async fn read_records(
    stdout: impl AsyncRead + Unpin,
    separator: u8,
    mut visit: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> std::io::Result<ControlFlow<()>> {
    let mut reader = BufReader::with_capacity(64 << 10, stdout);
    let mut record = Vec::new();
    loop {
        record.clear();
        if (&mut reader).take(RECORD_LIMIT).read_until(separator, &mut record).await? == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        if record.pop_if(|last| *last == separator).is_none() && record.len() as u64 >= RECORD_LIMIT {
            return Err(std::io::Error::other("git printed a record that is too long"));
        }
        if visit(&record).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

fn spawn(command: &mut Command) -> Result<(ProcessGroup, Pipes), GitError> {
    ProcessGroup::spawn_piped(command).map_err(GitError::io("start git"))
}

/// Ignores a broken pipe: the exit status says whether a process that did not read all of its input has failed.
async fn write_stdin(mut stdin: ChildStdin, input: &[u8]) {
    let _ = stdin.write_all(input).await;
}

/// Returns the beginning of a process's standard error. Reads the rest too, so that the process does not block.
pub(super) async fn read_stderr(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let _ = (&mut stderr).take(STDERR_LIMIT).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).trim().to_owned()
}
