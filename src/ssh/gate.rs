//! A stream that can be cut from outside.
//!
//! russh waits for the client's banner and through the key exchange without a limit, and answers no
//! request to disconnect meanwhile. Failing its reads and writes is what ends it in every state.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The stream. Reading and writing may wait in different tasks, so each has its own waiter.
#[derive(Debug)]
pub struct Gate<S> {
    stream: S,
    reader: Pin<Box<WaitForCancellationFutureOwned>>,
    writer: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S> Gate<S> {
    /// `stream`, until `cut` is cancelled.
    pub fn new(stream: S, cut: &CancellationToken) -> Self {
        let waiter = || Box::pin(cut.clone().cancelled_owned());
        Self { stream, reader: waiter(), writer: waiter() }
    }
}

/// An error once the waiter is done.
fn check(waiter: &mut Pin<Box<WaitForCancellationFutureOwned>>, cx: &mut Context<'_>) -> io::Result<()> {
    match waiter.as_mut().poll(cx) {
        Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was cut")),
        Poll::Pending => Ok(()),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        check(&mut self.reader, cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        check(&mut self.writer, cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        check(&mut self.writer, cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
