//! What a command prints: one bounded queue, so that both streams leave in the order they were written.

use std::time::Duration;

use bytes::Bytes;
use russh::server::Msg;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::format;
use super::invocation::Exit;

/// How many chunks wait for a slow client before the command waits for him.
const QUEUE: usize = 32;
/// How long a client may leave what is sent to it unread: a push holds its app's lock meanwhile.
const STALL: Duration = Duration::from_secs(120);
/// The extended data type of standard error (RFC 4254, 5.2).
const STDERR: u32 = 1;

enum Chunk {
    Stdout(Bytes),
    Stderr(Bytes),
}

/// The command's end.
#[derive(Debug, Clone)]
pub struct Output(mpsc::Sender<Chunk>);

/// The channel's end.
pub struct Writer {
    half: russh::ChannelWriteHalf<Msg>,
    queue: mpsc::Receiver<Chunk>,
    gone: CancellationToken,
}

/// Both ends, for a client who may be `gone` at any time.
pub fn pair(half: russh::ChannelWriteHalf<Msg>, gone: CancellationToken) -> (Output, Writer) {
    let (sender, queue) = mpsc::channel(QUEUE);
    (Output(sender), Writer { half, queue, gone })
}

impl Output {
    /// Writes to standard output.
    pub async fn stdout(&self, bytes: impl Into<Bytes>) {
        self.send(Chunk::Stdout(bytes.into())).await;
    }

    /// Writes to standard error.
    pub async fn stderr(&self, bytes: impl Into<Bytes>) {
        self.send(Chunk::Stderr(bytes.into())).await;
    }

    /// Writes a line to standard output.
    pub async fn line(&self, text: &str) {
        self.stdout(format!("{text}\n")).await;
    }

    /// Writes a value as JSON to standard output, for programs.
    ///
    /// # Errors
    /// If the value is none that JSON can say.
    pub async fn json(&self, value: &impl Serialize) -> Result<(), serde_json::Error> {
        self.line(&serde_json::to_string_pretty(value)?).await;
        Ok(())
    }

    /// Writes a failure to standard error, each line marked.
    pub async fn failure(&self, message: &str) {
        for line in format::failure(message) {
            self.stderr(format!("{line}\n")).await;
        }
    }

    /// The queue closes only after the command has ended, and what a client who is gone would have
    /// read is of no use.
    async fn send(&self, chunk: Chunk) {
        let _ = self.0.send(chunk).await;
    }
}

impl Writer {
    /// Writes until every [`Output`] is dropped. A client that does not read for too long counts as gone. What comes after the client has gone is drained to nowhere,
    /// so that a command which may not be interrupted can run to its end.
    pub async fn run(&mut self) {
        while let Some(chunk) = self.queue.recv().await {
            let write = timeout(STALL, self.write(chunk));
            if let Some(Err(_)) = self.gone.clone().run_until_cancelled(write).await {
                tracing::info!("the client does not read what is sent to it");
                self.gone.cancel();
            }
        }
    }

    /// A failed write means that the session has ended, which `gone` reports as well.
    async fn write(&self, chunk: Chunk) {
        let _ = match chunk {
            Chunk::Stdout(bytes) => self.half.data_bytes(bytes).await,
            Chunk::Stderr(bytes) => self.half.extended_data_bytes(STDERR, bytes).await,
        };
    }

    /// Ends the channel with the exit status.
    pub async fn finish(self, exit: Exit) {
        let gone = self.gone.clone();
        let farewell = async {
            self.half.eof().await?;
            self.half.exit_status(exit.0.into()).await?;
            self.half.close().await
        };
        let _ = gone.run_until_cancelled(farewell).await;
    }
}
