//! What a client sends to a command, and the news that he has gone.

use bytes::{Bytes, BytesMut};
use russh::{ChannelMsg, ChannelReadHalf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How many chunks of at most a packet wait for a slow command before the client has to wait.
const QUEUE: usize = 64;

/// The command's end.
#[derive(Debug)]
pub struct Input(mpsc::Receiver<Bytes>);

/// The channel's end.
pub struct Pump {
    half: ChannelReadHalf,
    queue: Option<mpsc::Sender<Bytes>>,
    gone: CancellationToken,
}

/// The input was longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {limit} bytes on standard input")]
pub struct TooMuch {
    limit: usize,
}

/// Both ends. `gone` is cancelled when the channel or the connection is closed.
pub fn pair(half: ChannelReadHalf, gone: CancellationToken) -> (Input, Pump) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Input(receiver), Pump { half, queue: Some(sender), gone })
}

impl Input {
    /// What a test sends.
    #[cfg(test)]
    pub fn of_a_test() -> (mpsc::Sender<Bytes>, Self) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (sender, Self(receiver))
    }

    /// The next bytes; `None` at the end.
    pub async fn chunk(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }

    /// Everything up to the end.
    ///
    /// # Errors
    /// [`TooMuch`] as soon as it is more than `limit` bytes.
    pub async fn read_to_end(&mut self, limit: usize) -> Result<Bytes, TooMuch> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.chunk().await {
            if all.len() + chunk.len() > limit {
                return Err(TooMuch { limit });
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    /// The first line, without its end; `None` if it is no text, or longer than `limit` bytes.
    pub async fn line(&mut self, limit: usize) -> Option<String> {
        let mut line = BytesMut::new();
        while let Some(chunk) = self.chunk().await {
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

impl Pump {
    /// Moves what arrives until the channel is closed. The end of input is not the end of the client: git
    /// closes its side after the pack and waits for the report.
    pub async fn run(mut self) {
        loop {
            match self.half.wait().await {
                Some(ChannelMsg::Data { data }) => self.forward(data).await,
                Some(ChannelMsg::Eof) => self.queue = None,
                Some(ChannelMsg::Close) | None => break,
                Some(_) => {}
            }
        }
        // In this order: whoever sees the end of input can tell whether it is the whole of it.
        self.gone.cancel();
        self.queue = None;
    }

    /// A command that does not read any more gets nothing more.
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

    async fn line(chunks: &[&'static [u8]]) -> Option<String> {
        let (sender, mut input) = Input::of_a_test();
        for chunk in chunks {
            sender.send(Bytes::from_static(chunk)).await.unwrap();
        }
        drop(sender);
        input.line(8).await
    }

    #[tokio::test]
    async fn a_line_may_come_in_pieces_and_be_too_long() {
        assert_eq!(line(&[b"my", b"app\nmore"]).await.as_deref(), Some("myapp"));
        assert_eq!(line(&[b"myapp"]).await.as_deref(), Some("myapp"));
        assert_eq!(line(&[]).await.as_deref(), Some(""));
        assert_eq!(line(&[b"far too long\n"]).await, None);
        assert_eq!(line(&[b"far too ", b"long and never ending"]).await, None);
        assert_eq!(line(&[b"\xff\n"]).await, None);
    }
}
