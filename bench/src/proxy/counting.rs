//! A proxy that counts the bytes that clients send to a server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const CHUNK_SIZE: usize = 64 << 10;

/// Forwards connections until the value is dropped.
pub struct CountingProxy {
    /// The proxy's address.
    pub address: SocketAddr,
    sent: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl CountingProxy {
    /// Starts a proxy to the server at `HOST:PORT`.
    pub async fn start(server: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("there is no free port")?;
        let address = listener.local_addr().context("there is no free port")?;
        let sent = Arc::new(AtomicU64::new(0));
        let (server, count) = (server.to_owned(), Arc::clone(&sent));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, count) = (server.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    // a failed connection closes the client's connection
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    forward(client, server, &count).await;
                });
            }
        });
        Ok(Self { address, sent, task })
    }

    /// The number of bytes that clients have sent so far, including HTTP headers.
    pub fn sent_bytes(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }
}

impl Drop for CountingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(client: TcpStream, server: TcpStream, count: &AtomicU64) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let upstream = async {
        let mut buffer = vec![0; CHUNK_SIZE];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            count.fetch_add(length as u64, Ordering::AcqRel);
            let Some(chunk) = buffer.get(..length) else { break };
            if to_server.write_all(chunk).await.is_err() {
                break;
            }
        }
        let _ = to_server.shutdown().await;
    };
    let downstream = async {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::join!(upstream, downstream);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_that_the_client_sends_are_counted() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let counter = CountingProxy::start(&server.local_addr().unwrap().to_string()).await.unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            stream.write_all(&[1; 5000]).await.unwrap();
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.unwrap();
        });
        let mut client = TcpStream::connect(counter.address).await.unwrap();
        client.write_all(&[7; 70_000]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!((answer.len(), counter.sent_bytes()), (5000, 70_000));
    }
}
