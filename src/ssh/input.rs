//! The standard input of a command, and the detection of a client that has disconnected.

use bytes::{Bytes, BytesMut};
use russh::{ChannelMsg, ChannelReadHalf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::output::WeakOutput;
use super::terminal::{InputEnd, LineEditor, Typed};

/// How many chunks, of at most an SSH packet each, are buffered for a command before the client has to wait.
const QUEUE_LEN: usize = 64;

/// The standard input of a command.
#[derive(Debug)]
pub struct CommandInput(mpsc::Receiver<Bytes>);

/// Forwards the channel's data to [`CommandInput`].
pub(super) struct StdinForwarder {
    channel: ChannelReadHalf,
    queue: Option<mpsc::Sender<Bytes>>,
    disconnected: CancellationToken,
    terminal: Option<Terminal>,
}

/// The input side of a client's terminal.
struct Terminal {
    editor: LineEditor,
    echo: WeakOutput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("standard input has more than {limit} bytes")]
pub struct InputTooLong {
    limit: usize,
}

/// Connects a command's input to a channel. `disconnected` is cancelled when the client closes the channel or the
/// connection. `echo` is the output of a client that has a terminal.
pub(super) fn pair(
    channel: ChannelReadHalf,
    disconnected: CancellationToken,
    echo: Option<WeakOutput>,
) -> (CommandInput, StdinForwarder) {
    let (sender, receiver) = mpsc::channel(QUEUE_LEN);
    let terminal = echo.map(|echo| Terminal { editor: LineEditor::default(), echo });
    (CommandInput(receiver), StdinForwarder { channel, queue: Some(sender), disconnected, terminal })
}

impl CommandInput {
    #[cfg(test)]
    pub(super) fn for_test() -> (mpsc::Sender<Bytes>, Self) {
        let (sender, receiver) = mpsc::channel(QUEUE_LEN);
        (sender, Self(receiver))
    }

    /// The next bytes; `None` at the end.
    pub async fn next_chunk(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }

    /// # Errors
    /// [`InputTooLong`] as soon as more than `limit` bytes have arrived.
    pub async fn read_to_end(&mut self, limit: usize) -> Result<Bytes, InputTooLong> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.next_chunk().await {
            if all.len() + chunk.len() > limit {
                return Err(InputTooLong { limit });
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    /// The first line, without its line feed; `None` if it is not UTF-8 or is longer than `limit` bytes.
    pub async fn read_line(&mut self, limit: usize) -> Option<String> {
        let mut line = BytesMut::new();
        while let Some(chunk) = self.next_chunk().await {
            line.extend_from_slice(&chunk);
            let end = line.iter().position(|byte| *byte == b'\n');
            line.truncate(end.unwrap_or(line.len()));
            if end.is_some() || line.len() > limit {
                break;
            }
        }
        String::from_utf8(line.to_vec()).ok().filter(|line| line.len() <= limit)
    }
}

impl StdinForwarder {
    /// Forwards data until the channel is closed. EOF does not mean that the client has disconnected: git sends it after
    /// the pack and then waits for the report.
    pub(super) async fn run(mut self) {
        loop {
            match self.channel.wait().await {
                Some(ChannelMsg::Data { data }) if self.terminal.is_some() => self.forward_typed(&data).await,
                Some(ChannelMsg::Data { data }) => self.forward(data).await,
                Some(ChannelMsg::Eof) => self.end_input().await,
                Some(ChannelMsg::Close) | None => break,
                Some(_) => {}
            }
        }
        // In this order: a command that reads the end of its input can then check whether the input is complete.
        self.disconnected.cancel();
        self.queue = None;
    }

    async fn forward_typed(&mut self, data: &[u8]) {
        let Some(terminal) = &mut self.terminal else { return };
        let Typed { lines, echo, end } = terminal.editor.push(data);
        if !echo.is_empty() {
            terminal.echo.stdout(echo).await;
        }
        if !lines.is_empty() {
            self.forward(lines.into()).await;
        }
        match end {
            None => {}
            Some(InputEnd::EndOfFile) => self.end_input().await,
            // The same as a client that goes away, which is what Ctrl-C means without a terminal.
            Some(InputEnd::Interrupt) => {
                self.disconnected.cancel();
                self.queue = None;
            }
        }
    }

    async fn end_input(&mut self) {
        let unfinished = self.terminal.as_mut().map(|terminal| terminal.editor.finish()).unwrap_or_default();
        if !unfinished.is_empty() {
            self.forward(unfinished.into()).await;
        }
        self.queue = None;
    }

    /// Discards data for a command that has dropped its input.
    async fn forward(&mut self, data: Bytes) {
        if let Some(queue) = &self.queue
            && queue.send(data).await.is_err()
        {
            self.queue = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_line(chunks: &[&'static [u8]]) -> Option<String> {
        let (sender, mut input) = CommandInput::for_test();
        for chunk in chunks {
            sender.send(Bytes::from_static(chunk)).await.unwrap();
        }
        drop(sender);
        input.read_line(8).await
    }

    #[tokio::test]
    async fn a_line_is_assembled_from_chunks_and_limited() {
        assert_eq!(read_line(&[b"my", b"app\nmore"]).await.as_deref(), Some("myapp"));
        assert_eq!(read_line(&[b"myapp"]).await.as_deref(), Some("myapp"));
        assert_eq!(read_line(&[]).await.as_deref(), Some(""));
        assert_eq!(read_line(&[b"far too long\n"]).await, None);
        assert_eq!(read_line(&[b"far too ", b"long and never ending"]).await, None);
        assert_eq!(read_line(&[b"\xff\n"]).await, None);
    }
}
