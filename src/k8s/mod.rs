//! The Kubernetes client: timeouts, retries, the cache over watches, Events, and permission checks.
//!
//! Every request goes through [`with_retries`] or [`with_timeout`] and ends in bounded time, except that a watch may stay
//! idle (`timeout.rs`).

mod access_review;
mod api_health;
mod ensure_namespace;
mod events;
mod request;
mod server_version;
mod timeout;
mod watch_cache;

use std::time::Duration;

use kube::client::ClientBuilder;
use kube::{Client, Config};

pub use access_review::{Permission, has_permission, missing_permissions};
pub use api_health::ApiHealth;
pub use ensure_namespace::ensure_namespace;
pub use events::{EventObject, EventPublisher, ObjectEvent};
pub use request::{ApiError, with_retries, with_timeout};
pub use server_version::server_version;
use timeout::IdleTimeoutLayer;
pub use watch_cache::{SharedCache, WatchCache, WatchView, watch_events};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the API server may send nothing during a request, kube's own retries included. Above the 10 s that an
/// admission webhook has by default.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The configuration of the cluster yields no client.
#[derive(Debug, thiserror::Error)]
pub enum ClusterConfigError {
    #[error("no Kubernetes cluster is configured: set KUBECONFIG, or run slipway in a pod with a service account")]
    NotConfigured(#[source] Box<kube::config::InferConfigError>),
    /// Such as a kubeconfig that names an unreadable certificate.
    #[error("the configuration of the Kubernetes cluster is invalid: check the kubeconfig")]
    Invalid(#[source] Box<kube::Error>),
}

/// Creates a client for the cluster that `KUBECONFIG`, `~/.kube/config` or the service account of the pod names, and
/// the health of its API server. Sends no request yet.
///
/// # Errors
/// [`ClusterConfigError`] if no cluster is configured or the configuration is invalid.
pub async fn client_from_env() -> Result<(Client, ApiHealth), ClusterConfigError> {
    let config = Config::infer().await.map_err(|error| ClusterConfigError::NotConfigured(Box::new(error)))?;
    let api_health = ApiHealth::default();
    Ok((build_client(config, IDLE_TIMEOUT, api_health.clone())?, api_health))
}

/// `read_timeout` stays unset: it would end every watch on which nothing happens.
fn build_client(
    mut config: Config,
    idle_timeout: Duration,
    api_health: ApiHealth,
) -> Result<Client, ClusterConfigError> {
    // The error means that a provider is installed already, which is just as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.write_timeout = Some(idle_timeout);
    let builder = ClientBuilder::try_from(config).map_err(|error| ClusterConfigError::Invalid(Box::new(error)))?;
    Ok(builder.with_layer(&IdleTimeoutLayer::new(idle_timeout, api_health)).build())
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::api::{ListParams, WatchParams};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A client of an API server that replies to each request with `response` and then sends nothing more.
    async fn client_of_a_silent_server(response: &'static str) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(1..) = stream.read(&mut buffer).await {
                        stream.write_all(response.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        let config = Config::new(format!("http://{address}").parse().unwrap());
        build_client(config, Duration::from_millis(200), ApiHealth::default()).unwrap()
    }

    #[tokio::test]
    async fn a_server_that_does_not_respond_is_an_error() {
        let client = client_of_a_silent_server("").await;
        let error = Api::<ConfigMap>::default_namespaced(client).list(&ListParams::default()).await.unwrap_err();
        assert!(matches!(&error, kube::Error::Service(source) if source.is::<tokio::time::error::Elapsed>()));
        assert!(error.source().is_some());
    }

    #[tokio::test]
    async fn a_response_that_stops_midway_is_an_error() {
        let client = client_of_a_silent_server("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{").await;
        let result = Api::<ConfigMap>::default_namespaced(client).list(&ListParams::default()).await;
        assert!(matches!(result, Err(kube::Error::Service(_))), "{result:?}");
    }

    #[tokio::test]
    async fn a_watch_may_stay_idle() {
        use futures_util::StreamExt;

        let client = client_of_a_silent_server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let api = Api::<ConfigMap>::default_namespaced(client);
        let mut events = api.watch(&WatchParams::default(), "1").await.unwrap().boxed();
        let waited = tokio::time::timeout(Duration::from_millis(600), events.next()).await;
        assert!(waited.is_err(), "{waited:?}");
    }
}
