//! Copies data between a client and a git process until git has ended.

use std::time::Duration;
use std::{io, process};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

use super::command::CommandIo;
use crate::domain::CancelHandle;
use crate::git::ServiceProcess;
use crate::service::{GitClient, GitExit, GitSession};
use crate::ssh::exit_status::ExitStatus;
use crate::ssh::input::CommandInput;
use crate::ssh::output::CommandOutput;

/// Bounds the wait for a git process that does not read its input. Such a wait blocks russh's session, which then neither
/// sends keepalives nor detects a client that has disconnected.
const STDIN_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client may send nothing at all. git runs the pusher's own pre-push hook in this time.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// The same, once someone waits until the session ends.
const CLAIMED_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes read from git at once: about one SSH packet.
const CHUNK_SIZE: usize = 32 << 10;

/// The client of a git service in a channel.
pub(super) struct SshGitClient(pub CommandIo);

impl GitClient for SshGitClient {
    /// A git process that stalls is treated as one whose client has disconnected.
    async fn exchange(self, session: GitSession<'_>) -> io::Result<GitExit> {
        let GitSession { mut git, cancel, stop, claimed } = session;
        let CommandIo { input, output, disconnected } = self.0;
        let (stalled, begun) = (CancellationToken::new(), CancellationToken::new());
        let completed = tokio::select! {
            status = copy_streams(&mut git, input, &output, (&begun, &stalled)) => Some(status?),
            () = wait_until_cancelled([&disconnected, &stalled, stop], cancel) => None,
            reason = wait_while_idle(&begun, claimed, (FIRST_BYTE_TIMEOUT, CLAIMED_TIMEOUT)) => {
                output.error(reason).await;
                None
            }
        };
        match completed {
            Some(status) => Ok(status.into()),
            None => {
                git.terminate().await?;
                Ok(GitExit::Killed)
            }
        }
    }
}

/// git's own exit status; 1 if a signal ended git.
impl From<GitExit> for ExitStatus {
    fn from(exit: GitExit) -> Self {
        match exit {
            GitExit::Code(code) => Self(code),
            GitExit::Killed => Self::FAILED,
        }
    }
}

/// Copies all three streams until git has ended and all of its output is sent.
async fn copy_streams(
    git: &mut ServiceProcess,
    input: CommandInput,
    output: &CommandOutput,
    (begun, stalled): (&CancellationToken, &CancellationToken),
) -> io::Result<process::ExitStatus> {
    let (stdin, stdout, stderr) = (git.stdin.take(), git.stdout.take(), git.stderr.take());
    let ended = async {
        let stdout = copy_output(stdout, |bytes| output.stdout(bytes));
        let stderr = copy_output(stderr, |bytes| output.stderr(bytes));
        tokio::join!(stdout, stderr, git.wait()).2
    };
    tokio::select! {
        status = ended => status,
        never = async {
            copy_input(stdin, input, (begun, stalled), STDIN_TIMEOUT).await;
            std::future::pending().await
        } => never,
    }
}

/// Writes the client's bytes to git. Closes git's input at their end, or when git does not accept any more. `begun` is
/// cancelled at the first bytes or at their end.
async fn copy_input(
    stdin: Option<impl AsyncWrite + Unpin>,
    mut input: CommandInput,
    (begun, stalled): (&CancellationToken, &CancellationToken),
    limit: Duration,
) {
    let Some(mut stdin) = stdin else { return };
    let _begun = begun.clone().drop_guard();
    while let Some(bytes) = input.next_chunk().await {
        begun.cancel();
        match timeout(limit, stdin.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => return stalled.cancel(),
        }
    }
}

/// Passes git's output to `write`. A read error ends the output like EOF.
async fn copy_output<F: Future<Output = ()>>(pipe: Option<impl AsyncRead + Unpin>, write: impl Fn(Bytes) -> F) {
    let Some(pipe) = pipe else { return };
    let mut chunks = ReaderStream::with_capacity(pipe, CHUNK_SIZE);
    while let Some(Ok(bytes)) = chunks.next().await {
        write(bytes).await;
    }
}

/// Resolves with a message when the client has sent nothing for too long: before the first bytes, git has nothing to undo.
async fn wait_while_idle(
    begun: &CancellationToken,
    claimed: Option<&CancellationToken>,
    (limit, claimed_limit): (Duration, Duration),
) -> &'static str {
    let too_long = async {
        tokio::time::sleep(limit).await;
        "git sent nothing for too long, so slipway ended the connection: push again"
    };
    let is_claimed = async {
        match claimed {
            Some(claimed) => claimed.cancelled().await,
            None => std::future::pending().await,
        }
        tokio::time::sleep(claimed_limit).await;
        "the app is being deleted, and git has sent nothing yet: slipway ended the connection"
    };
    let idle = async {
        tokio::select! {
            reason = too_long => reason,
            reason = is_claimed => reason,
        }
    };
    match begun.run_until_cancelled(idle).await {
        Some(reason) => reason,
        None => std::future::pending().await,
    }
}

/// Resolves when one of the tokens is cancelled and `cancel` has not passed its commit point.
async fn wait_until_cancelled(tokens: [&CancellationToken; 3], cancel: &CancelHandle) {
    let [disconnected, stalled, stop] = tokens;
    tokio::select! {
        () = disconnected.cancelled() => {}
        () = stalled.cancelled() => {}
        () = stop.cancelled() => {}
    }
    if !cancel.cancel() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_git_process_that_does_not_read_its_input_has_stalled() {
        let (sender, input) = CommandInput::for_test();
        let (pipe, mut git) = tokio::io::duplex(16);
        let stalled = CancellationToken::new();
        sender.send(Bytes::from_static(&[0; 17])).await.unwrap();
        let begun = CancellationToken::new();
        copy_input(Some(pipe), input, (&begun, &stalled), Duration::from_millis(20)).await;
        assert!(stalled.is_cancelled() && begun.is_cancelled());
        // Its input is closed.
        assert_eq!(git.read_to_end(&mut Vec::new()).await.unwrap(), 16);
    }

    #[tokio::test]
    async fn a_git_process_that_has_closed_its_input_has_not_stalled() {
        let (sender, input) = CommandInput::for_test();
        let (pipe, git) = tokio::io::duplex(16);
        drop(git);
        sender.send(Bytes::from_static(b"x")).await.unwrap();
        let stalled = CancellationToken::new();
        copy_input(Some(pipe), input, (&CancellationToken::new(), &stalled), Duration::from_millis(20)).await;
        assert!(!stalled.is_cancelled());
    }

    #[tokio::test]
    async fn a_client_that_sends_nothing_is_ended_sooner_when_someone_waits_for_it() {
        let (begun, claimed) = (CancellationToken::new(), CancellationToken::new());
        let (short, long) = (Duration::from_millis(20), Duration::from_secs(600));
        assert!(wait_while_idle(&begun, Some(&claimed), (short, short)).await.starts_with("git sent nothing"));
        assert!(timeout(short, wait_while_idle(&begun, Some(&claimed), (long, short))).await.is_err());
        claimed.cancel();
        let reason = wait_while_idle(&begun, Some(&claimed), (long, short)).await;
        assert!(reason.starts_with("the app is being deleted"), "{reason}");
        begun.cancel();
        let idle = wait_while_idle(&begun, Some(&claimed), (Duration::ZERO, Duration::ZERO));
        assert!(timeout(short, idle).await.is_err());
    }

    #[tokio::test]
    async fn a_disconnected_client_cancels_only_before_the_commit_point() {
        let (cancelled, never) = (CancellationToken::new(), CancellationToken::new());
        cancelled.cancel();
        for tokens in [[&cancelled, &never, &never], [&never, &cancelled, &never], [&never, &never, &cancelled]] {
            wait_until_cancelled(tokens, &CancelHandle::default()).await;
        }
        let committed = CancelHandle::default();
        committed.pass_commit_point().unwrap();
        let waiting = wait_until_cancelled([&cancelled, &never, &never], &committed);
        assert!(timeout(Duration::from_millis(20), waiting).await.is_err());
    }
}
