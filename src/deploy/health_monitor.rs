//! Health checks of the services that every push needs: the API server, the Engine and the registry.

use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use tokio::time::{sleep, timeout};

use super::deployer::Deployer;
use crate::domain::metric_names;
use crate::k8s::ApiHealth;

const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time between the probes while every dependency is healthy.
const HEALTHY_INTERVAL: Duration = Duration::from_secs(10);
/// Time between the probes after a failed probe.
const FAILING_INTERVAL: Duration = Duration::from_secs(1);
/// The number of consecutive failures after which a dependency is down: a single response may get lost.
const FAILURE_THRESHOLD: u32 = 2;

struct DependencyHealth {
    /// The value of the metrics label `dependency`.
    name: &'static str,
    /// The message while the dependency is down.
    down_message: &'static str,
    consecutive_failures: u32,
}

impl DependencyHealth {
    /// A dependency is down until the first successful probe.
    fn new(name: &'static str, down_message: &'static str) -> Self {
        Self { name, down_message, consecutive_failures: FAILURE_THRESHOLD }
    }

    /// Records the result of a probe, and logs a change between healthy and down.
    fn record<E: std::error::Error>(&mut self, result: Result<(), E>) {
        let was_down = self.is_down();
        match result {
            Ok(()) => self.consecutive_failures = 0,
            Err(error) => {
                self.consecutive_failures = self.consecutive_failures.saturating_add(1);
                if self.consecutive_failures == FAILURE_THRESHOLD {
                    tracing::warn!(error = crate::telemetry::error_chain(&error), "{}", self.down_message);
                }
            }
        }
        if was_down && !self.is_down() {
            tracing::info!(dependency = self.name, "the dependency is healthy again");
        }
        gauge!(metric_names::DEPENDENCY_UP, "dependency" => self.name).set(if self.is_down() { 0.0 } else { 1.0 });
    }

    fn is_down(&self) -> bool {
        self.consecutive_failures >= FAILURE_THRESHOLD
    }
}

impl Deployer {
    /// Probes the dependencies until shutdown. After each round, `report` gets the messages of the dependencies that
    /// are down.
    pub async fn monitor_dependencies(self: Arc<Self>, api_health: ApiHealth, report: impl Fn(Vec<String>)) {
        let mut all = [
            DependencyHealth::new("kubernetes", "the Kubernetes API does not answer"),
            DependencyHealth::new("engine", "the Docker Engine does not answer"),
            DependencyHealth::new("registry", "the registry does not answer correctly"),
        ];
        let monitoring = async {
            loop {
                self.probe_all(&api_health, &mut all).await;
                let down = all.iter().filter(|dependency| dependency.is_down());
                report(down.map(|dependency| dependency.down_message.to_owned()).collect());
                let healthy = all.iter().all(|dependency| dependency.consecutive_failures == 0);
                sleep(if healthy { HEALTHY_INTERVAL } else { FAILING_INTERVAL }).await;
            }
        };
        self.stop.run_until_cancelled(Box::pin(monitoring)).await;
    }

    async fn probe_all(&self, api_health: &ApiHealth, [kubernetes, engine, registry]: &mut [DependencyHealth; 3]) {
        let version = async {
            // slipway's watches record the health of the API server. A request is necessary only after a failure.
            if api_health.is_healthy() { Ok(()) } else { self.cluster.apiserver_version().await.map(drop) }
        };
        tokio::join!(
            probe(kubernetes, version),
            probe(engine, self.engine.ping()),
            probe(registry, self.registry.check_health())
        );
    }
}

async fn probe<E: std::error::Error>(dependency: &mut DependencyHealth, request: impl Future<Output = Result<(), E>>) {
    match timeout(PROBE_TIMEOUT, request).await {
        Ok(result) => dependency.record(result),
        Err(elapsed) => dependency.record(Err(elapsed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_failed_probe_does_not_take_a_dependency_down() {
        let mut engine = DependencyHealth::new("engine", "the Engine does not answer");
        let lost = || Err(std::io::Error::other("lost"));
        assert!(engine.is_down());
        engine.record::<std::io::Error>(Ok(()));
        engine.record(lost());
        assert!(!engine.is_down());
        engine.record(lost());
        assert!(engine.is_down());
        engine.record::<std::io::Error>(Ok(()));
        assert!(!engine.is_down());
    }
}
