//! Health checks of the services that every push needs: the API server, the Engine and the registry.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::dependency_health::Dependency;
use super::deployer::Deployer;
use crate::k8s::{ApiHealth, with_timeout};

const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time between the probes while every dependency is healthy.
const HEALTHY_INTERVAL: Duration = Duration::from_secs(10);
/// Time between the probes after a failed probe.
const FAILING_INTERVAL: Duration = Duration::from_secs(1);

impl Deployer {
    /// Probes the dependencies until shutdown. After each round, `report` gets the messages of the dependencies that
    /// are down.
    pub async fn monitor_dependencies(self: Arc<Self>, api_health: ApiHealth, report: impl Fn(Vec<String>)) {
        let mut all = [
            Dependency::new("kubernetes", "the Kubernetes API does not answer"),
            Dependency::new("engine", "the Docker Engine does not answer"),
            Dependency::new("registry", "the registry does not answer correctly"),
        ];
        let monitoring = async {
            loop {
                Box::pin(self.probe_all(&api_health, &mut all)).await;
                report(all.iter().filter_map(Dependency::down_message).map(str::to_owned).collect());
                sleep(if all.iter().all(Dependency::is_healthy) { HEALTHY_INTERVAL } else { FAILING_INTERVAL }).await;
            }
        };
        self.stop.run_until_cancelled(Box::pin(monitoring)).await;
    }

    async fn probe_all(&self, api_health: &ApiHealth, [kubernetes, engine, registry]: &mut [Dependency; 3]) {
        let version = async {
            // slipway's watches record the health of the API server. A request is necessary only after a failure.
            if api_health.is_healthy() {
                return Ok(());
            }
            let version = self.cluster.apiserver_version();
            with_timeout("reading the API server's version", PROBE_TIMEOUT, version).await.map(drop)
        };
        tokio::join!(
            probe(kubernetes, version),
            probe(engine, self.engine.ping()),
            probe(registry, self.registry.check_health())
        );
    }
}

async fn probe<E: std::error::Error>(dependency: &mut Dependency, request: impl Future<Output = Result<(), E>>) {
    match timeout(PROBE_TIMEOUT, request).await {
        Ok(result) => dependency.record(result),
        Err(elapsed) => dependency.record(Err(elapsed)),
    }
}
