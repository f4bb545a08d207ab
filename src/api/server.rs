//! Serves HTTP to whoever finds the port: how many connections there are, and how long a request may take
//! to arrive, is bounded, so that strangers cannot use up the descriptors that pushes need.

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

/// Connections at once.
const CONNECTIONS: usize = 64;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);
/// How long accepting rests after it failed, as it does when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests may go on after `stop`.
const FAREWELL: Duration = Duration::from_secs(1);

/// Answers with `router` until `stop`; returns once no connection is left.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut connections = Connections::default();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => connections.add(stream, router.clone()),
            Err(error) => {
                tracing::warn!(%error, "no HTTP connection can be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let _ = timeout(FAREWELL, connections.ended()).await;
}

/// The connections that are open. Dropped, it closes them.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// The oldest first.
    order: VecDeque<AbortHandle>,
}

impl Connections {
    /// Takes one more, at the cost of the oldest if there are too many: a health check is over within
    /// milliseconds, so the oldest is one that stalls. If the new one had to wait instead, stalled
    /// connections would keep the kubelet out, and the gateway would be restarted.
    fn add(&mut self, stream: TcpStream, router: Router) {
        while self.tasks.try_join_next().is_some() {}
        self.order.retain(|task| !task.is_finished());
        if self.order.len() >= CONNECTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            oldest.abort();
        }
        self.order.push_back(self.tasks.spawn(answer(stream, router, HEAD)));
    }

    async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// One request, one answer, one connection.
async fn answer(stream: TcpStream, router: Router, head: Duration) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head).keep_alive(false);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "HTTP connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

    use super::super::{Health, router};
    use super::*;

    async fn start() -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let server = tokio::spawn(serve(listener, router(Health::default(), None), stop.clone()));
        (address, stop, server)
    }

    /// A connection over which half a request came.
    async fn stalled(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
        stream
    }

    async fn healthz(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Whether the other side closes it within `limit`.
    async fn closes(mut stream: TcpStream, limit: Duration) -> bool {
        let mut rest = Vec::new();
        timeout(limit, stream.read_to_end(&mut rest)).await.is_ok()
    }

    #[tokio::test]
    async fn stalled_connections_do_not_keep_a_health_check_out() {
        let (address, ..) = start().await;
        let mut open = Vec::new();
        for _ in 0..CONNECTIONS {
            open.push(stalled(address).await);
        }
        let answer = timeout(Duration::from_secs(5), healthz(address)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{answer}");
        assert!(closes(open.swap_remove(0), Duration::from_secs(5)).await, "the oldest stayed");
        assert!(!closes(open.swap_remove(0), Duration::from_millis(50)).await, "the newest went");
    }

    #[tokio::test]
    async fn a_request_that_does_not_arrive_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for client in [TcpStream::connect(address).await.unwrap(), stalled(address).await] {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, router(Health::default(), None), Duration::from_millis(100)));
            assert!(closes(client, Duration::from_secs(5)).await);
        }
    }

    #[tokio::test]
    async fn the_end_waits_for_nobody_who_stalls() {
        let (address, stop, server) = start().await;
        let open = stalled(address).await;
        healthz(address).await;
        stop.cancel();
        timeout(FAREWELL * 3, server).await.unwrap().unwrap();
        assert!(closes(open, Duration::from_secs(1)).await);
        assert!(TcpStream::connect(address).await.is_err());
    }
}
