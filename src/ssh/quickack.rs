//! A TCP stream that acknowledges at once what begins a connection.
//!
//! OpenSSH's client writes its part of the key exchange in two pieces, before it turns Nagle's algorithm off: the second
//! waits until the first is acknowledged. Linux delays that by 40 ms where the server has nothing to say in between, as here,
//! so that every command and every push would begin with a wait.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// For so many reads: until a client has authenticated and asked for a command, and no longer, since what follows goes in
/// one direction at a time.
const READS: u8 = 32;

/// The stream.
#[derive(Debug)]
pub struct QuickAck {
    stream: TcpStream,
    reads: u8,
}

impl QuickAck {
    /// A connection that was just accepted.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, reads: READS }
    }

    /// The kernel falls back to delaying by itself, so it is told after each read. Where it does not know of that, connections
    /// begin as slowly as they always did.
    fn acknowledge(&mut self) {
        if let Some(left) = self.reads.checked_sub(1) {
            self.reads = left;
            #[cfg(target_os = "linux")]
            let _ = self.stream.set_quickack(true);
        }
    }
}

impl AsyncRead for QuickAck {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.acknowledge();
        }
        read
    }
}

impl AsyncWrite for QuickAck {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_begins_a_connection_is_acknowledged_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut server = QuickAck::new(listener.accept().await.unwrap().0);
        let mut acknowledges_after_a_read = async || {
            server.stream.set_quickack(false).unwrap();
            client.write_all(b"x").await.unwrap();
            server.read_u8().await.unwrap();
            server.stream.quickack().unwrap()
        };
        for _ in 0..READS {
            assert!(acknowledges_after_a_read().await);
        }
        assert!(!acknowledges_after_a_read().await, "the rest is the kernel's business");
    }
}
