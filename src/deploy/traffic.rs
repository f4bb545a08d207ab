//! Waiting until an app answers at its address.
//!
//! A pod that is ready is not reachable yet: each node's kube-proxy follows the Service's endpoints on its own, after up to two
//! seconds. Until then a first pod cannot be reached, and a replaced one still gets connections.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::deployer::Deployer;
use crate::domain::Progress;
use crate::release::{ServiceAddress, ServingPods};

/// Far more than a connection inside a cluster takes.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
const RETRY_DELAY: Duration = Duration::from_millis(50);
/// How long the address may refuse or lose connections, once all nodes should route to the new pods.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// After so many lost connections and no other, the gateway cannot reach the address: it runs outside the cluster.
const MAX_LOST: u32 = 3;
/// kube-proxy distributes connections at random, so that one of so many almost certainly meets a pod that is gone.
const ENOUGH_ANSWERS: u32 = 10;

/// The connections to an address so far.
#[derive(Debug, Default)]
struct Connections {
    /// How many were accepted since the last that was not.
    accepted: u32,
    lost: u32,
    was_reached: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Undecided,
    Answers,
    /// From the gateway.
    Unreachable,
}

impl Connections {
    fn count(&mut self, result: &io::Result<()>) -> Verdict {
        match result {
            Ok(()) => {
                self.was_reached = true;
                self.accepted += 1;
            }
            // kube-proxy refuses the connections of a Service that has no endpoint.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.was_reached = true;
                self.accepted = 0;
            }
            Err(_) => {
                self.lost += 1;
                self.accepted = 0;
            }
        }
        match self.accepted >= ENOUGH_ANSWERS {
            true => Verdict::Answers,
            false if !self.was_reached && self.lost >= MAX_LOST => Verdict::Unreachable,
            false => Verdict::Undecided,
        }
    }
}

impl Deployer {
    /// Returns when the Service's address leads to the pods of the release and to no others, as far as the gateway can see.
    pub(super) async fn await_traffic(&self, service: &ServiceAddress, progress: &Progress) {
        match service.pods {
            ServingPods::None | ServingPods::Unchanged => return,
            ServingPods::First => {}
            ServingPods::Replaced => self.await_endpoints(progress).await,
        }
        let Some(port) = service.port else { return };
        let address = SocketAddr::new(service.ip, port);
        match timeout(ANSWER_TIMEOUT, connect_until_decided(address)).await {
            Ok(verdict) => tracing::debug!(%address, ?verdict, "connected to the Service"),
            Err(_) => {
                let line = format!(
                    "not every connection to the Service at {address} is accepted, although its pods are ready"
                );
                progress.log(line).await;
            }
        }
    }

    async fn await_endpoints(&self, progress: &Progress) {
        let delay = self.settings.times.endpoint_delay;
        if !delay.is_zero() {
            progress
                .log(format!("waiting {} s until every node sends connections to the new pods only", delay.as_secs()))
                .await;
            sleep(delay).await;
        }
    }
}

async fn connect_until_decided(address: SocketAddr) -> Verdict {
    let mut connections = Connections::default();
    loop {
        let next_attempt = Instant::now() + RETRY_DELAY;
        let result = connect(address).await;
        match connections.count(&result) {
            Verdict::Undecided if result.is_ok() => {}
            Verdict::Undecided => sleep_until(next_attempt).await,
            decided => return decided,
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<()> {
    timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(results: impl IntoIterator<Item = io::Result<()>>) -> Verdict {
        let mut connections = Connections::default();
        results.into_iter().map(|result| connections.count(&result)).last().unwrap()
    }

    fn accepted(count: usize) -> impl Iterator<Item = io::Result<()>> {
        std::iter::repeat_with(|| Ok(())).take(count)
    }

    fn failed(kind: io::ErrorKind, count: usize) -> impl Iterator<Item = io::Result<()>> {
        std::iter::repeat_with(move || Err(kind.into())).take(count)
    }

    #[test]
    fn an_address_answers_after_ten_accepted_connections_in_a_row() {
        assert_eq!(verdict(accepted(9)), Verdict::Undecided);
        assert_eq!(verdict(accepted(10)), Verdict::Answers);
        assert_eq!(
            verdict(accepted(9).chain(failed(io::ErrorKind::TimedOut, 1)).chain(accepted(9))),
            Verdict::Undecided
        );
        assert_eq!(verdict(failed(io::ErrorKind::ConnectionRefused, 50).chain(accepted(10))), Verdict::Answers);
    }

    #[test]
    fn an_address_to_which_every_connection_is_lost_is_unreachable() {
        assert_eq!(verdict(failed(io::ErrorKind::TimedOut, 2)), Verdict::Undecided);
        assert_eq!(verdict(failed(io::ErrorKind::HostUnreachable, 3)), Verdict::Unreachable);
        assert_eq!(verdict(accepted(1).chain(failed(io::ErrorKind::TimedOut, 9))), Verdict::Undecided);
    }
}
