//! A git process and whatever it started, as one process group that ends together.

use std::io;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};

/// How long receive-pack may take to end by itself once its input ends.
const END_OF_INPUT: Duration = Duration::from_millis(500);
/// How long git may take to remove its locks after each polite signal.
const POLITE: [(Signal, Duration); 2] =
    [(Signal::SIGHUP, Duration::from_millis(200)), (Signal::SIGTERM, Duration::from_millis(200))];

/// How much of a pack waits between the client and git, in bytes: the limit for whoever is not root
/// (`/proc/sys/fs/pipe-max-size`).
const PIPE: i32 = 1 << 20;

/// A process group; dropping it kills every member at once.
pub(super) struct Group {
    leader: tokio::process::Child,
    /// None once the leader was reaped: its number may belong to a stranger then.
    id: Option<Pid>,
}

impl Group {
    /// Starts `command` as the leader of a new group.
    pub(super) fn spawn(command: &mut Command) -> io::Result<Self> {
        let leader = command.process_group(0).kill_on_drop(true).spawn()?;
        let id = leader.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Ok(Self { leader, id })
    }

    /// Starts `command` with pipes on its three streams.
    pub(super) fn spawn_piped(command: &mut Command) -> io::Result<(Self, Pipes)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = Self::spawn(command)?;
        let missing = || io::Error::other("a pipe to the child is missing");
        let pipes = Pipes {
            stdin: group.leader.stdin.take().ok_or_else(missing)?,
            stdout: group.leader.stdout.take().ok_or_else(missing)?,
            stderr: group.leader.stderr.take().ok_or_else(missing)?,
        };
        Ok((group, pipes))
    }

    /// Waits for the leader; members that outlived it are killed. Safe to cancel and call again.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.leader.wait().await?;
        self.signal(Signal::SIGKILL);
        self.id = None;
        Ok(status)
    }

    /// Ends the group: HUP, then TERM, then KILL. git removes its locks on the first two; HUP may be
    /// ignored by inheritance, and KILL leaves them for the next start.
    pub(super) async fn terminate(&mut self) -> io::Result<ExitStatus> {
        for (signal, patience) in POLITE {
            self.signal(signal);
            if let Ok(ended) = tokio::time::timeout(patience, self.wait()).await {
                return ended;
            }
        }
        self.signal(Signal::SIGKILL);
        self.wait().await
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // The one answer to expect is ESRCH, "nobody is left", and then all is done.
            let _ = killpg(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// The parent's ends of a child's streams.
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

/// A running git service with its streams.
///
/// When it is dropped, its whole process group is terminated in the background; where there is no
/// runtime left to do that, it is killed.
pub struct Child {
    group: Option<Group>,
    receives: bool,
    /// To the child. Dropping it is the child's end of input.
    pub stdin: Option<ChildStdin>,
    /// From the child: what goes to the client's standard output.
    pub stdout: Option<Output<ChildStdout>>,
    /// From the child: what goes to the client's standard error.
    pub stderr: Option<Output<ChildStderr>>,
}

impl Child {
    /// Starts `command`, which `receives` a push or not.
    pub(super) fn spawn(command: &mut Command, receives: bool) -> io::Result<Self> {
        let (group, Pipes { stdin, stdout, stderr }) = Group::spawn_piped(command)?;
        if receives {
            widen(&stdin);
        }
        Ok(Self {
            group: Some(group),
            receives,
            stdin: Some(stdin),
            stdout: Some(Output { pipe: Some(stdout), drains: receives }),
            stderr: Some(Output { pipe: Some(stderr), drains: receives }),
        })
    }

    /// Waits until the child has ended. Safe to cancel and call again.
    ///
    /// # Errors
    /// When the system can't tell, or the child was terminated before.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.group()?.wait().await
    }

    /// Ends the child and all that it started, within a second: the end of its input, then HUP, TERM
    /// and KILL.
    ///
    /// A receive-pack removes its quarantine only when it ends by itself: so give up the streams that
    /// were taken and the call of its hook before.
    ///
    /// # Errors
    /// When the system can't tell how it ended.
    pub async fn terminate(&mut self) -> io::Result<ExitStatus> {
        (self.stdin, self.stdout, self.stderr) = (None, None, None);
        let receives = self.receives;
        terminate(self.group()?, receives).await
    }

    fn group(&mut self) -> io::Result<&mut Group> {
        self.group.as_mut().ok_or_else(|| io::Error::other("the child is gone"))
    }
}

/// Lets a pipe hold as much as Linux allows anyone: git hashes in long strides, and the client need not wait for each. Where
/// the user has too many such pipes already, this one stays as it is.
fn widen(pipe: &ChildStdin) {
    #[cfg(target_os = "linux")]
    let _ = nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_SETPIPE_SZ(PIPE));
}

async fn terminate(group: &mut Group, receives: bool) -> io::Result<ExitStatus> {
    if receives && let Ok(ended) = tokio::time::timeout(END_OF_INPUT, group.wait()).await {
        return ended;
    }
    group.terminate().await
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(mut group) = self.group.take().filter(|group| group.id.is_some()) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // A killed git would leave locks that block every later push to the same ref.
            let receives = self.receives;
            runtime.spawn(async move { terminate(&mut group, receives).await });
        }
    }
}

/// The reading end of a child's pipe. That of a receive-pack is read to its end in the background when
/// it is dropped: writing to a closed pipe would kill receive-pack before it has cleaned up.
pub struct Output<R: AsyncRead + Unpin + Send + 'static> {
    pipe: Option<R>,
    drains: bool,
}

impl<R: AsyncRead + Unpin + Send + 'static> AsyncRead for Output<R> {
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

impl<R: AsyncRead + Unpin + Send + 'static> Drop for Output<R> {
    fn drop(&mut self) {
        let Some(mut pipe) = self.pipe.take().filter(|_| self.drains) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
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

    /// The number that the script prints first.
    async fn first_number(child: &mut Child) -> i32 {
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).await.unwrap();
        line.trim().parse().unwrap()
    }

    /// Whether the process is gone, or dead and waiting for whoever adopted it.
    fn is_dead(id: i32) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{id}/stat"));
        state.map_or(true, |text| text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
    }

    async fn dies(id: i32) -> bool {
        for _ in 0..200 {
            if is_dead(id) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    #[tokio::test]
    async fn a_group_that_ignores_polite_signals_is_killed_within_a_second() {
        let mut child =
            Child::spawn(&mut shell("trap '' HUP TERM; sleep 60 & echo $!; wait; sleep 60"), false).unwrap();
        let grandchild = first_number(&mut child).await;
        let begun = tokio::time::Instant::now();
        child.terminate().await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(1500));
        assert!(dies(grandchild).await);
    }

    #[tokio::test]
    async fn dropping_a_child_ends_its_whole_group() {
        let mut child = Child::spawn(&mut shell("sleep 60 & echo $!; wait"), false).unwrap();
        let grandchild = first_number(&mut child).await;
        drop(child);
        assert!(dies(grandchild).await);
    }

    #[tokio::test]
    async fn nothing_outlives_a_leader_that_ended() {
        let mut child = Child::spawn(&mut shell("sleep 60 & echo $!"), false).unwrap();
        let grandchild = first_number(&mut child).await;
        assert!(child.wait().await.unwrap().success());
        assert!(dies(grandchild).await);
    }

    #[test]
    fn a_child_dropped_outside_of_the_runtime_is_killed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (child, grandchild) = runtime.block_on(async {
            let mut child = Child::spawn(&mut shell("trap '' HUP TERM; sleep 60 & echo $!; wait"), false).unwrap();
            let grandchild = first_number(&mut child).await;
            (child, grandchild)
        });
        drop(runtime);
        drop(child);
        let another = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(another.block_on(dies(grandchild)));
    }
}
