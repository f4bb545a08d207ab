//! The output of a command: one bounded queue, so that standard output and standard error keep their order.

use std::time::Duration;

use bytes::Bytes;
use russh::ChannelWriteHalf;
use russh::server::Msg;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::service::terminal::format_error;
use crate::ssh::exit_status::ExitStatus;
use crate::ssh::terminal::with_carriage_returns;

/// How many chunks are buffered for a slow client before the command has to wait.
const QUEUE_LEN: usize = 32;
/// Bounds the wait for a client that does not read: meanwhile a push holds its app's lock.
const WRITE_TIMEOUT: Duration = Duration::from_secs(120);
/// Bounds the wait for a client that does not read, at the end of a command.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The data type code of standard error (RFC 4254, 5.2).
const EXTENDED_DATA_STDERR: u32 = 1;

enum Chunk {
    Stdout(Bytes),
    Stderr(Bytes),
}

/// The standard output and standard error of a command.
#[derive(Debug, Clone)]
pub struct CommandOutput(mpsc::Sender<Chunk>);

/// Writes the chunks of [`CommandOutput`] to the channel.
pub(in crate::ssh) struct ChannelWriter {
    channel: ChannelWriteHalf<Msg>,
    queue: mpsc::Receiver<Chunk>,
    disconnected: CancellationToken,
    /// Whether the output needs a carriage return in each line.
    has_terminal: bool,
}

/// A [`CommandOutput`] that does not keep the output open.
#[derive(Debug)]
pub(in crate::ssh) struct WeakOutput(mpsc::WeakSender<Chunk>);

impl WeakOutput {
    /// Writes to standard output, unless the command has ended.
    pub(in crate::ssh) async fn stdout(&self, bytes: impl Into<Bytes>) {
        if let Some(sender) = self.0.upgrade() {
            CommandOutput(sender).stdout(bytes).await;
        }
    }
}

/// Connects a command's output to a channel.
pub(in crate::ssh) fn pair(
    channel: ChannelWriteHalf<Msg>,
    disconnected: CancellationToken,
    has_terminal: bool,
) -> (CommandOutput, ChannelWriter) {
    let (sender, queue) = mpsc::channel(QUEUE_LEN);
    (CommandOutput(sender), ChannelWriter { channel, queue, disconnected, has_terminal })
}

impl CommandOutput {
    pub(in crate::ssh) fn downgrade(&self) -> WeakOutput {
        WeakOutput(self.0.downgrade())
    }

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

    /// Writes a value as JSON to standard output.
    ///
    /// # Errors
    /// When the value cannot be serialized.
    pub async fn json(&self, value: &impl Serialize) -> Result<(), serde_json::Error> {
        self.line(&serde_json::to_string_pretty(value)?).await;
        Ok(())
    }

    /// Writes an error message to standard error, with a mark on each line.
    pub async fn error(&self, message: &str) {
        for line in format_error(message) {
            self.stderr(format!("{line}\n")).await;
        }
    }

    /// The receiver is dropped only after the command has ended, so sending cannot fail while output matters.
    async fn send(&self, chunk: Chunk) {
        let _ = self.0.send(chunk).await;
    }
}

impl ChannelWriter {
    /// Writes until every [`CommandOutput`] is dropped. A client that does not read for too long counts as disconnected.
    /// Output for a disconnected client is discarded, so that a command that must not be interrupted can run to its end.
    pub(in crate::ssh) async fn run(&mut self) {
        while let Some(chunk) = self.queue.recv().await {
            let write = timeout(WRITE_TIMEOUT, self.write(chunk));
            if let Some(Err(_)) = self.disconnected.clone().run_until_cancelled(write).await {
                tracing::info!("the client does not read its output and counts as disconnected");
                self.disconnected.cancel();
            }
        }
    }

    /// Ignores errors: a write fails when the session has ended, and then `disconnected` is cancelled as well.
    async fn write(&self, chunk: Chunk) {
        let adapt = |bytes: Bytes| if self.has_terminal { with_carriage_returns(&bytes) } else { bytes };
        let _ = match chunk {
            Chunk::Stdout(bytes) => self.channel.data_bytes(adapt(bytes)).await,
            Chunk::Stderr(bytes) => self.channel.extended_data_bytes(EXTENDED_DATA_STDERR, adapt(bytes)).await,
        };
    }

    /// Closes the channel with the command's exit status.
    pub(in crate::ssh) async fn finish(self, exit_status: ExitStatus) {
        let close = async {
            self.channel.eof().await?;
            self.channel.exit_status(exit_status.0.into()).await?;
            self.channel.close().await
        };
        // Also for a client that counts as disconnected: one that has typed Ctrl-C waits for the end.
        let _ = timeout(CLOSE_TIMEOUT, close).await;
    }
}
