//! A TCP stream without delayed acknowledgements at the start of the connection.
//!
//! OpenSSH's client writes its part of the key exchange in two pieces before it disables Nagle's algorithm, so the second
//! piece waits until the first is acknowledged. Linux delays that acknowledgement by 40 ms when the server has nothing to
//! send in between, as here: every command and every push would begin with this delay.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Enough reads for authentication and the request of a command. Later data flows in one direction at a time and gains
/// nothing from immediate acknowledgements.
const QUICK_READS: u8 = 32;

#[derive(Debug)]
pub(super) struct QuickAck {
    stream: TcpStream,
    quick_reads_left: u8,
}

impl QuickAck {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, quick_reads_left: QUICK_READS }
    }

    /// Sets TCP_QUICKACK after each read, since the kernel resets it. Other systems than Linux keep the delay.
    fn set_quickack(&mut self) {
        if let Some(left) = self.quick_reads_left.checked_sub(1) {
            self.quick_reads_left = left;
            #[cfg(target_os = "linux")]
            let _ = self.stream.set_quickack(true);
        }
    }
}

impl AsyncRead for QuickAck {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.set_quickack();
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
    async fn the_first_reads_of_a_connection_are_acknowledged_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut server = QuickAck::new(listener.accept().await.unwrap().0);
        let mut quickack_after_a_read = async || {
            server.stream.set_quickack(false).unwrap();
            client.write_all(b"x").await.unwrap();
            server.read_u8().await.unwrap();
            server.stream.quickack().unwrap()
        };
        for _ in 0..QUICK_READS {
            assert!(quickack_after_a_read().await);
        }
        assert!(!quickack_after_a_read().await, "later reads leave TCP_QUICKACK to the kernel");
    }
}
