//! Metrics, as Prometheus reads them.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

pub use metrics_exporter_prometheus::PrometheusHandle as Metrics;

use crate::domain::metric as names;

/// From a cached build to one that takes its half hour, in seconds.
const BUCKETS: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0];
/// How often what was measured is sorted into buckets, so that it does not pile up where nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// Begins to keep the metrics of the whole process.
///
/// # Errors
/// [`BuildError`] if somebody keeps them already.
pub fn install(version: &str, commit: &str) -> Result<Metrics, BuildError> {
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?
        .install_recorder()?;
    describe();
    begin();
    gauge!(names::BUILD_INFO, "version" => version.to_owned(), "commit" => commit.to_owned()).set(1.0);
    let kept = metrics.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            kept.run_upkeep();
        }
    });
    Ok(metrics)
}

/// What alerts ask for is there from the start: what a counter did before its first look was there is not seen.
fn begin() {
    gauge!(names::READY).set(0.0);
    gauge!(names::DEPLOYS).set(0.0);
    gauge!(names::SSH_CONNECTIONS).set(0.0);
    counter!(names::LOCK_REFUSALS_TOTAL).absolute(0);
    for kind in ["push", "redeploy", "rollback"] {
        for result in ["deployed", "failed"] {
            counter!(names::DEPLOYS_TOTAL, "kind" => kind, "result" => result).absolute(0);
        }
    }
    for watch in ["keys", "rollout"] {
        counter!(names::WATCH_RESTARTS_TOTAL, "watch" => watch).absolute(0);
    }
}

fn describe() {
    describe_gauge!(names::BUILD_INFO, "What runs.");
    describe_gauge!(names::READY, "Whether a push could go live now.");
    describe_gauge!(names::SSH_CONNECTIONS, "SSH connections that are open.");
    describe_counter!(names::SSH_CONNECTIONS_TOTAL, "SSH connections that were made.");
    describe_counter!(names::SSH_AUTHENTICATIONS_TOTAL, "Public keys that were judged by their signature.");
    describe_counter!(names::RECEIVES_TOTAL, "Pushes that git received.");
    describe_gauge!(names::DEPLOYS, "Deploys that run.");
    describe_counter!(names::DEPLOYS_TOTAL, "Deploys that ended.");
    describe_histogram!(names::DEPLOY_SECONDS, Unit::Seconds, "How long deploys took.");
    describe_histogram!(names::PHASE_SECONDS, Unit::Seconds, "How long the phases of deploys took.");
    describe_counter!(names::LOCK_REFUSALS_TOTAL, "Deploys refused because another one of the app ran.");
    describe_counter!(names::REGISTRY_BYTES_TOTAL, Unit::Bytes, "Bytes of layers that went to the registry.");
    describe_counter!(names::REGISTRY_COLLECTIONS_TOTAL, "Collections of the registry's garbage.");
    describe_gauge!(names::DEPENDENCY_UP, "Whether what every push needs answers.");
    describe_counter!(names::API_REQUESTS_TOTAL, "Requests to the Kubernetes API.");
    describe_counter!(names::WATCH_RESTARTS_TOTAL, "Watches that were interrupted and resumed.");
    describe_gauge!(names::KEYS, "Public keys that are known.");
    describe_gauge!(names::KEYS_AMBIGUOUS, "Public keys that let nobody in, since they stand under two users.");
    describe_gauge!(names::KEY_MAPS, "ConfigMaps of public keys.");
    describe_gauge!(names::KEY_MAPS_BROKEN, "ConfigMaps of public keys in which something is broken.");
    describe_gauge!(names::KEY_LINES_REJECTED, "Lines and entries of public keys that cannot be read.");
    describe_gauge!(names::KEY_MAPS_BYTES, Unit::Bytes, "What the ConfigMaps of public keys hold.");
}
