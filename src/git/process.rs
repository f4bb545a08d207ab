//! A git process and its descendants: one process group, which ends as a whole.

use std::io;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::service::GitService;

/// How long receive-pack may take to end by itself after the end of its input.
const EOF_TIMEOUT: Duration = Duration::from_millis(500);
/// The signals before SIGKILL, and how long git may take after each to remove its lock files.
const TERMINATION_SIGNALS: [(Signal, Duration); 2] =
    [(Signal::SIGHUP, Duration::from_millis(200)), (Signal::SIGTERM, Duration::from_millis(200))];

/// In bytes: the default limit for unprivileged users (`/proc/sys/fs/pipe-max-size`).
const PACK_PIPE_SIZE: i32 = 1 << 20;

/// A process group. Dropping it kills every member.
pub(super) struct ProcessGroup {
    leader: tokio::process::Child,
    /// `None` after the leader was reaped: the system may have reused its id.
    id: Option<Pid>,
}

impl ProcessGroup {
    /// Starts `command` as the leader of a new group.
    fn spawn(command: &mut Command) -> io::Result<Self> {
        let leader = command.process_group(0).kill_on_drop(true).spawn()?;
        let id = leader.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Ok(Self { leader, id })
    }

    /// Starts `command` as the leader of a new group, with pipes for its three streams.
    pub(super) fn spawn_piped(command: &mut Command) -> io::Result<(Self, Pipes)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = Self::spawn(command)?;
        let missing = || io::Error::other("a pipe to the child process is missing");
        let pipes = Pipes {
            stdin: group.leader.stdin.take().ok_or_else(missing)?,
            stdout: group.leader.stdout.take().ok_or_else(missing)?,
            stderr: group.leader.stderr.take().ok_or_else(missing)?,
        };
        Ok((group, pipes))
    }

    /// Waits for the leader, then kills members that are still running. Cancel-safe.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.leader.wait().await?;
        self.signal(Signal::SIGKILL);
        self.id = None;
        Ok(status)
    }

    /// Ends the group with SIGHUP, then SIGTERM, then SIGKILL. git removes its lock files on the first two. A process may
    /// have inherited an ignored SIGHUP; lock files that SIGKILL leaves are removed at the next start.
    pub(super) async fn terminate(&mut self) -> io::Result<ExitStatus> {
        for (signal, limit) in TERMINATION_SIGNALS {
            self.signal(signal);
            if let Ok(status) = timeout(limit, self.wait()).await {
                return status;
            }
        }
        self.signal(Signal::SIGKILL);
        self.wait().await
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // The expected error is ESRCH: every process of the group has ended.
            let _ = killpg(id, signal);
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// The parent's ends of a child's standard streams.
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

/// A running git service.
///
/// Dropping it terminates its process group in the background, or kills the group if there is no runtime to do so.
pub struct ServiceProcess {
    group: Option<ProcessGroup>,
    service: GitService,
    /// Dropping it ends the process's input.
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<DrainingPipe<ChildStdout>>,
    pub stderr: Option<DrainingPipe<ChildStderr>>,
}

impl ServiceProcess {
    pub(super) fn spawn(command: &mut Command, service: GitService) -> io::Result<Self> {
        let (group, Pipes { stdin, stdout, stderr }) = ProcessGroup::spawn_piped(command)?;
        let is_receive_pack = service == GitService::ReceivePack;
        if is_receive_pack {
            grow_pipe(&stdin);
        }
        Ok(Self {
            group: Some(group),
            service,
            stdin: Some(stdin),
            stdout: Some(DrainingPipe { pipe: Some(stdout), drain_on_drop: is_receive_pack }),
            stderr: Some(DrainingPipe { pipe: Some(stderr), drain_on_drop: is_receive_pack }),
        })
    }

    /// Waits until the process has ended. Cancel-safe.
    ///
    /// # Errors
    /// When waiting fails.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.group()?.wait().await
    }

    /// Ends the process group within a second: closes its input, then sends SIGHUP, SIGTERM and SIGKILL.
    ///
    /// receive-pack removes its quarantine only when it ends by itself. So drop the streams that were taken from here, and
    /// its [`super::PendingHook`], before the call.
    ///
    /// # Errors
    /// When waiting fails.
    pub async fn terminate(&mut self) -> io::Result<ExitStatus> {
        (self.stdin, self.stdout, self.stderr) = (None, None, None);
        let service = self.service;
        terminate(self.group()?, service).await
    }

    fn group(&mut self) -> io::Result<&mut ProcessGroup> {
        self.group.as_mut().ok_or_else(|| io::Error::other("the git process has no process group"))
    }
}

/// Lets the pipe buffer more of a pack: git hashes large blocks at a time, and the client can go on sending meanwhile.
/// The pipe keeps its size if the user's pipes have reached their limit (`/proc/sys/fs/pipe-user-pages-soft`).
fn grow_pipe(pipe: &ChildStdin) {
    #[cfg(target_os = "linux")]
    let _ = nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_SETPIPE_SZ(PACK_PIPE_SIZE));
}

async fn terminate(group: &mut ProcessGroup, service: GitService) -> io::Result<ExitStatus> {
    if service == GitService::ReceivePack
        && let Ok(status) = timeout(EOF_TIMEOUT, group.wait()).await
    {
        return status;
    }
    group.terminate().await
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        let Some(mut group) = self.group.take().filter(|group| group.id.is_some()) else { return };
        if let Ok(runtime) = Handle::try_current() {
            // SIGKILL would leave lock files, which block every later push to the same ref.
            let service = self.service;
            runtime.spawn(async move { terminate(&mut group, service).await });
        }
    }
}

/// The reading end of a service's pipe. When that of a receive-pack is dropped, a background task reads it to its end:
/// SIGPIPE would kill receive-pack before it has cleaned up.
pub struct DrainingPipe<R: AsyncRead + Unpin + Send + 'static> {
    pipe: Option<R>,
    drain_on_drop: bool,
}

impl<R: AsyncRead + Unpin + Send + 'static> AsyncRead for DrainingPipe<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.pipe {
            Some(pipe) => Pin::new(pipe).poll_read(context, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl<R: AsyncRead + Unpin + Send + 'static> Drop for DrainingPipe<R> {
    fn drop(&mut self) {
        let Some(mut pipe) = self.pipe.take().filter(|_| self.drain_on_drop) else { return };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, BufReader};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    /// The process id that the script prints.
    async fn read_pid(child: &mut ServiceProcess) -> i32 {
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).await.unwrap();
        line.trim().parse().unwrap()
    }

    /// Whether the process has ended, reaped or not.
    fn has_ended(id: i32) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{id}/stat"));
        state.map_or(true, |text| text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
    }

    async fn ends_soon(id: i32) -> bool {
        for _ in 0..200 {
            if has_ended(id) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    #[tokio::test]
    async fn a_group_that_ignores_sighup_and_sigterm_is_killed_within_a_second() {
        let mut child = ServiceProcess::spawn(
            &mut shell("trap '' HUP TERM; sleep 60 & echo $!; wait; sleep 60"),
            GitService::UploadPack,
        )
        .unwrap();
        let grandchild = read_pid(&mut child).await;
        let started = tokio::time::Instant::now();
        child.terminate().await.unwrap();
        assert!(started.elapsed() < Duration::from_millis(1500));
        assert!(ends_soon(grandchild).await);
    }

    #[tokio::test]
    async fn dropping_a_service_process_ends_its_whole_group() {
        let mut child = ServiceProcess::spawn(&mut shell("sleep 60 & echo $!; wait"), GitService::UploadPack).unwrap();
        let grandchild = read_pid(&mut child).await;
        drop(child);
        assert!(ends_soon(grandchild).await);
    }

    #[tokio::test]
    async fn the_members_of_a_group_end_with_its_leader() {
        let mut child = ServiceProcess::spawn(&mut shell("sleep 60 & echo $!"), GitService::UploadPack).unwrap();
        let grandchild = read_pid(&mut child).await;
        assert!(child.wait().await.unwrap().success());
        assert!(ends_soon(grandchild).await);
    }

    #[test]
    fn a_service_process_that_is_dropped_outside_the_runtime_is_killed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (child, grandchild) = runtime.block_on(async {
            let mut child =
                ServiceProcess::spawn(&mut shell("trap '' HUP TERM; sleep 60 & echo $!; wait"), GitService::UploadPack)
                    .unwrap();
            let grandchild = read_pid(&mut child).await;
            (child, grandchild)
        });
        drop(runtime);
        drop(child);
        let another = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(another.block_on(ends_soon(grandchild)));
    }
}
