//! The HTTP server. Every client may reach the port, so the number of connections and the time for a request are
//! limited: otherwise, clients could use up the file descriptors that pushes need.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const MAX_CONNECTIONS: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after a failed accept, such as when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long running requests may take after `stop`.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// Serves until `stop`, and returns when all connections are closed or [`SHUTDOWN_GRACE`] has passed.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut connections = Connections::default();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => connections.add(stream, router.clone()),
            Err(error) => {
                tracing::warn!(%error, "cannot accept an HTTP connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let _ = timeout(SHUTDOWN_GRACE, connections.wait_closed()).await;
}

/// The open connections. Dropping it closes them.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// Oldest first.
    order: VecDeque<AbortHandle>,
}

impl Connections {
    /// Adds a connection, and closes the oldest above the limit: a health check takes milliseconds, so the oldest connection
    /// has stalled. If new connections waited instead, stalled ones would block the kubelet's probes, and the kubelet would
    /// restart slipway.
    fn add(&mut self, stream: TcpStream, router: Router) {
        while self.tasks.try_join_next().is_some() {}
        self.order.retain(|task| !task.is_finished());
        if self.order.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            oldest.abort();
        }
        self.order.push_back(self.tasks.spawn(serve_connection(stream, router, HEADER_TIMEOUT)));
    }

    async fn wait_closed(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Answers one request.
async fn serve_connection(stream: TcpStream, router: Router, header_timeout: Duration) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(header_timeout).keep_alive(false);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "an HTTP connection was closed early");
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

    use super::super::{Readiness, router};
    use super::*;

    async fn start() -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let server = tokio::spawn(serve(listener, router(Readiness::default(), None), stop.clone()));
        (address, stop, server)
    }

    /// A connection with an incomplete request.
    async fn stalled_connection(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
        stream
    }

    async fn healthz(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    /// Whether the server closes the connection within `limit`.
    async fn is_closed_within(mut stream: TcpStream, limit: Duration) -> bool {
        let mut rest = Vec::new();
        timeout(limit, stream.read_to_end(&mut rest)).await.is_ok()
    }

    #[tokio::test]
    async fn stalled_connections_do_not_block_a_health_check() {
        let (address, ..) = start().await;
        let mut open = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            open.push(stalled_connection(address).await);
        }
        let response = timeout(Duration::from_secs(5), healthz(address)).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("ok\n"), "{response}");
        assert!(
            is_closed_within(open.swap_remove(0), Duration::from_secs(5)).await,
            "the oldest connection was not closed"
        );
        assert!(
            !is_closed_within(open.swap_remove(0), Duration::from_millis(50)).await,
            "a newer connection was closed"
        );
    }

    #[tokio::test]
    async fn a_connection_without_a_complete_request_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for client in [TcpStream::connect(address).await.unwrap(), stalled_connection(address).await] {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve_connection(stream, router(Readiness::default(), None), Duration::from_millis(100)));
            assert!(is_closed_within(client, Duration::from_secs(5)).await);
        }
    }

    #[tokio::test]
    async fn a_stalled_connection_does_not_delay_the_shutdown() {
        let (address, stop, server) = start().await;
        let open = stalled_connection(address).await;
        healthz(address).await;
        stop.cancel();
        timeout(SHUTDOWN_GRACE * 3, server).await.unwrap().unwrap();
        assert!(is_closed_within(open, Duration::from_secs(1)).await);
        assert!(TcpStream::connect(address).await.is_err());
    }
}
