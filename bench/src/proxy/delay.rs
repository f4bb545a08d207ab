//! A proxy that delivers everything later, as a long line does: what passes is not slowed down, only delayed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How much is read at once.
const PIECE: usize = 64 << 10;
/// How many pieces are on their way, one direction: at 40 ms more than any window here.
const ON_THE_WAY: usize = 4096;

/// A line to a server. It ends with the value.
pub struct Delay {
    /// Where it begins.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Delay {
    /// A line to `server` with this round trip.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn to(server: SocketAddr, round_trip: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("there is no free port")?;
        let address = listener.local_addr().context("there is no free port")?;
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // who cannot get through finds the connection closed
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    let ((from_client, to_client), (from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    tokio::join!(
                        carry(from_client, to_server, round_trip / 2),
                        carry(from_server, to_client, round_trip / 2)
                    );
                });
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One direction.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut line) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let read = async {
        let mut buffer = vec![0; PIECE];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let piece = buffer.iter().take(length).copied().collect();
            if sender.send((Instant::now() + delay, piece)).await.is_err() {
                return;
            }
        }
        drop(sender);
    };
    let write = async {
        while let Some((due, piece)) = line.recv().await {
            tokio::time::sleep_until(due.into()).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_takes_a_round_trip_and_nothing_is_lost() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = Delay::to(server.local_addr().unwrap(), Duration::from_millis(40)).await.unwrap();
        tokio::spawn(async move {
            let (stream, _) = server.accept().await.unwrap();
            let (mut read, mut write) = stream.into_split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
        });
        let began = Instant::now();
        let mut client = TcpStream::connect(line.address).await.unwrap();
        client.write_all(&[7; 100_000]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer.len(), 100_000);
        assert!(began.elapsed() >= Duration::from_millis(40), "{:?}", began.elapsed());
    }
}
