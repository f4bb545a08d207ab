//! The Prometheus exporter, and the metrics that are present from the start.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

pub(crate) use metrics_exporter_prometheus::PrometheusHandle;

use crate::domain::metric_names;

/// In seconds: from a cached build to the default build timeout.
const BUCKETS: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0];
/// How often samples are moved into buckets. Without this, they would accumulate while nothing scrapes the metrics.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Installs the metrics recorder of the process.
///
/// # Errors
/// [`BuildError`] if a recorder is already installed.
pub(crate) fn install(version: &str, commit: &str) -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?
        .install_recorder()?;
    describe();
    register_zero_values();
    gauge!(metric_names::BUILD_INFO, "version" => version.to_owned(), "commit" => commit.to_owned()).set(1.0);
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// Registers the metrics of alerts with the value 0. `increase()` does not count the increment that creates a series.
fn register_zero_values() {
    gauge!(metric_names::READY).set(0.0);
    gauge!(metric_names::DEPLOYS).set(0.0);
    gauge!(metric_names::SSH_CONNECTIONS).set(0.0);
    counter!(metric_names::LOCK_REFUSALS_TOTAL).absolute(0);
    for kind in ["push", "redeploy", "rollback"] {
        for result in ["deployed", "failed"] {
            counter!(metric_names::DEPLOYS_TOTAL, "kind" => kind, "result" => result).absolute(0);
        }
    }
    for watch in ["apps", "keys", "rollout"] {
        counter!(metric_names::WATCH_RESTARTS_TOTAL, "watch" => watch).absolute(0);
    }
}

fn describe() {
    describe_gauge!(metric_names::BUILD_INFO, "Always 1; the labels identify the running slipway.");
    describe_gauge!(metric_names::READY, "Whether slipway is ready to accept pushes.");
    describe_gauge!(metric_names::SSH_CONNECTIONS, "Open SSH connections.");
    describe_counter!(metric_names::SSH_CONNECTIONS_TOTAL, "SSH connections.");
    describe_counter!(metric_names::SSH_AUTHENTICATIONS_TOTAL, "SSH authentications with a verified signature.");
    describe_counter!(metric_names::RECEIVES_TOTAL, "Pushes that git received.");
    describe_gauge!(metric_names::DEPLOYS, "Running deploys.");
    describe_counter!(metric_names::DEPLOYS_TOTAL, "Finished deploys.");
    describe_histogram!(metric_names::DEPLOY_SECONDS, Unit::Seconds, "Duration of deploys.");
    describe_histogram!(metric_names::PHASE_SECONDS, Unit::Seconds, "Duration of the phases of deploys.");
    describe_counter!(
        metric_names::LOCK_REFUSALS_TOTAL,
        "Deploys that were refused because another deploy of the app was running."
    );
    describe_counter!(metric_names::REGISTRY_BYTES_TOTAL, Unit::Bytes, "Size of the layers pushed to the registry.");
    describe_counter!(metric_names::REGISTRY_COLLECTIONS_TOTAL, "Garbage collections of the registry.");
    describe_gauge!(metric_names::DEPENDENCY_UP, "Whether a service that every push needs is healthy.");
    describe_counter!(metric_names::API_REQUESTS_TOTAL, "Requests to the Kubernetes API.");
    describe_counter!(metric_names::WATCH_RESTARTS_TOTAL, "Watches that were interrupted and restarted.");
    describe_gauge!(metric_names::KEYS, "Public keys in the key store.");
    describe_gauge!(
        metric_names::KEYS_AMBIGUOUS,
        "Public keys that cannot log in because more than one user has them."
    );
    describe_gauge!(metric_names::KEY_MAPS, "ConfigMaps of public keys.");
    describe_gauge!(metric_names::KEY_MAPS_BROKEN, "ConfigMaps of public keys with an error.");
    describe_gauge!(metric_names::KEY_LINES_REJECTED, "Unreadable lines and entries in ConfigMaps of public keys.");
    describe_gauge!(metric_names::KEY_MAPS_BYTES, Unit::Bytes, "Size of the ConfigMaps of public keys.");
}
