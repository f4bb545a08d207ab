//! A proxy that adds latency, as a long line does, and does not limit the throughput.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const CHUNK_SIZE: usize = 64 << 10;
/// The number of chunks that may be in flight in one direction: at 40 ms, more than any SSH window here.
const MAX_IN_FLIGHT: usize = 4096;

/// Forwards connections until the value is dropped.
pub struct DelayingProxy {
    /// The proxy's address.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl DelayingProxy {
    /// Starts a proxy to `server` that adds this round-trip time.
    pub async fn start(server: SocketAddr, round_trip: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("there is no free port")?;
        let address = listener.local_addr().context("there is no free port")?;
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // a failed connection closes the client's connection
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    let ((from_client, to_client), (from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    tokio::join!(
                        forward(from_client, to_server, round_trip / 2),
                        forward(from_server, to_client, round_trip / 2)
                    );
                });
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for DelayingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Forwards one direction.
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut line) = mpsc::channel::<(Instant, Vec<u8>)>(MAX_IN_FLIGHT);
    let read = async {
        let mut buffer = vec![0; CHUNK_SIZE];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let chunk = buffer.iter().take(length).copied().collect();
            if sender.send((Instant::now() + delay, chunk)).await.is_err() {
                return;
            }
        }
        drop(sender);
    };
    let write = async {
        while let Some((due, chunk)) = line.recv().await {
            tokio::time::sleep_until(due.into()).await;
            if to.write_all(&chunk).await.is_err() {
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
    async fn an_echo_arrives_complete_after_a_round_trip() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = DelayingProxy::start(server.local_addr().unwrap(), Duration::from_millis(40)).await.unwrap();
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
