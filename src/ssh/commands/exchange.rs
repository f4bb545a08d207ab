//! Carries bytes between a client and a git process until git has ended.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

use super::super::input::Input;
use super::super::invocation::Exit;
use super::super::writer::Output;
use super::Streams;
use crate::domain::Cancel;
use crate::git::Child;

/// How long git may leave its input unread. While a write waits, russh's session waits with it, and would neither
/// send keepalives nor see the client go.
const STALL: Duration = Duration::from_secs(60);
/// How much is read from git at once: about a packet of SSH.
const CHUNK: usize = 32 << 10;

/// Serves one client. When he goes, or git does not take what he sends, `cancel` decides: either everything stops and
/// git is terminated, or it is too late for that, and git runs to its end with nobody listening.
pub(super) async fn serve(
    mut child: Child,
    streams: Streams,
    cancel: &Cancel,
    stop: &CancellationToken,
) -> io::Result<Exit> {
    let Streams { input, output, gone } = streams;
    let stalled = CancellationToken::new();
    let carried = tokio::select! {
        status = carry(&mut child, input, &output, &stalled) => Some(status?),
        () = interrupted([&gone, &stalled, stop], cancel) => None,
    };
    match carried {
        Some(status) => Ok(exit(status)),
        None => {
            child.terminate().await?;
            Ok(Exit::FAILED)
        }
    }
}

/// All three streams at once, until git has ended and everything it wrote has left.
async fn carry(
    child: &mut Child,
    input: Input,
    output: &Output,
    stalled: &CancellationToken,
) -> io::Result<ExitStatus> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let ended = async {
        let results = forward(stdout, |bytes| output.stdout(bytes));
        let messages = forward(stderr, |bytes| output.stderr(bytes));
        tokio::join!(results, messages, child.wait()).2
    };
    tokio::select! {
        status = ended => status,
        never = async { feed(stdin, input, stalled, STALL).await; std::future::pending().await } => never,
    }
}

/// Hands the client's bytes to git. The end of them closes git's input, and so does git's losing interest.
async fn feed(
    stdin: Option<impl AsyncWrite + Unpin>,
    mut input: Input,
    stalled: &CancellationToken,
    patience: Duration,
) {
    let Some(mut stdin) = stdin else { return };
    while let Some(bytes) = input.chunk().await {
        match timeout(patience, stdin.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => return stalled.cancel(),
        }
    }
}

/// Hands git's bytes on. A pipe that cannot be read has nothing more to say.
async fn forward<F: Future<Output = ()>>(pipe: Option<impl AsyncRead + Unpin>, write: impl Fn(Bytes) -> F) {
    let Some(pipe) = pipe else { return };
    let mut chunks = ReaderStream::with_capacity(pipe, CHUNK);
    while let Some(Ok(bytes)) = chunks.next().await {
        write(bytes).await;
    }
}

/// Resolves when git has to be terminated: nobody is there for the answer or slipway has to end, and nothing was
/// changed yet.
async fn interrupted([gone, stalled, stop]: [&CancellationToken; 3], cancel: &Cancel) {
    tokio::select! {
        () = gone.cancelled() => {}
        () = stalled.cancelled() => {}
        () = stop.cancelled() => {}
    }
    if !cancel.cancel() {
        std::future::pending().await
    }
}

/// git's own exit status; 1 where a signal ended it.
fn exit(status: ExitStatus) -> Exit {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(Exit::FAILED, Exit)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn git_that_does_not_read_is_given_up_on() {
        let (sender, input) = Input::of_a_test();
        let (pipe, mut git) = tokio::io::duplex(16);
        let stalled = CancellationToken::new();
        sender.send(Bytes::from_static(&[0; 17])).await.unwrap();
        feed(Some(pipe), input, &stalled, Duration::from_millis(20)).await;
        assert!(stalled.is_cancelled());
        // and its input has ended
        assert_eq!(git.read_to_end(&mut Vec::new()).await.unwrap(), 16);
    }

    #[tokio::test]
    async fn git_that_wants_no_more_is_left_alone() {
        let (sender, input) = Input::of_a_test();
        let (pipe, git) = tokio::io::duplex(16);
        drop(git);
        sender.send(Bytes::from_static(b"x")).await.unwrap();
        let stalled = CancellationToken::new();
        feed(Some(pipe), input, &stalled, Duration::from_millis(20)).await;
        assert!(!stalled.is_cancelled());
    }

    #[tokio::test]
    async fn who_leaves_interrupts_only_what_can_be_cancelled() {
        let (gone, never) = (CancellationToken::new(), CancellationToken::new());
        gone.cancel();
        for tokens in [[&gone, &never, &never], [&never, &gone, &never], [&never, &never, &gone]] {
            interrupted(tokens, &Cancel::default()).await;
        }
        let committed = Cancel::default();
        committed.commit().unwrap();
        let waiting = interrupted([&gone, &never, &never], &committed);
        assert!(timeout(Duration::from_millis(20), waiting).await.is_err());
    }
}
