//! Kubernetes clients, and requests with them.
//!
//! Every request of a client made here ends in bounded time: see `deadline.rs`. Only what a watch reports may take as
//! long as it likes.

mod call;
mod deadline;
mod namespace;
mod pulse;
mod rights;

use std::time::Duration;

use kube::client::ClientBuilder;
use kube::{Client, Config};

pub use call::{CallError, call, once};
use deadline::DeadlineLayer;
pub use namespace::ensure_namespace;
pub use pulse::Pulse;
pub use rights::{Right, is_allowed, missing};

/// How long a connection to the API server may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the API server may be silent during a request, retries included. Above the 10 s that an
/// admission webhook has by default.
const SILENCE: Duration = Duration::from_secs(20);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Neither a kubeconfig nor a service account.
    #[error("no Kubernetes cluster is configured: set KUBECONFIG, or run slipway in a pod with a service account")]
    NotConfigured(#[source] Box<kube::config::InferConfigError>),
    /// The configuration names something that can't be used, such as a certificate that can't be read.
    #[error("the configuration of the Kubernetes cluster can't be used")]
    Invalid(#[source] Box<kube::Error>),
}

/// A client for the cluster that the environment names: `KUBECONFIG`, `~/.kube/config`, or the
/// service account of the pod; and whether it answers. Nothing is sent yet.
///
/// # Errors
/// [`ClusterError`] if there is no such cluster or its configuration is broken.
pub async fn connect() -> Result<(Client, Pulse), ClusterError> {
    let config = Config::infer().await.map_err(|error| ClusterError::NotConfigured(Box::new(error)))?;
    let pulse = Pulse::default();
    Ok((client(config, SILENCE, pulse.clone())?, pulse))
}

/// `read_timeout` stays unset: it would end every watch on which nothing happens.
fn client(mut config: Config, silence: Duration, pulse: Pulse) -> Result<Client, ClusterError> {
    // The error means that a provider is there already, which is all that is wanted.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(silence);
    let builder = ClientBuilder::try_from(config).map_err(|error| ClusterError::Invalid(Box::new(error)))?;
    Ok(builder.with_layer(&DeadlineLayer::new(silence, pulse)).build())
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

    /// A client of an API server that reads requests, answers with `answer` and then says nothing more.
    async fn client_of_a_silent_server(answer: &'static str) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while let Ok(1..) = stream.read(&mut buffer).await {
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        let config = Config::new(format!("http://{address}").parse().unwrap());
        client(config, Duration::from_millis(200), Pulse::default()).unwrap()
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_an_error() {
        let client = client_of_a_silent_server("").await;
        let error = Api::<ConfigMap>::default_namespaced(client).list(&ListParams::default()).await.unwrap_err();
        assert!(matches!(&error, kube::Error::Service(source) if source.is::<tokio::time::error::Elapsed>()));
        assert!(error.source().is_some());
    }

    #[tokio::test]
    async fn an_answer_that_stops_midway_is_an_error() {
        let client = client_of_a_silent_server("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{").await;
        let result = Api::<ConfigMap>::default_namespaced(client).list(&ListParams::default()).await;
        assert!(matches!(result, Err(kube::Error::Service(_))), "{result:?}");
    }

    #[tokio::test]
    async fn a_watch_may_be_silent() {
        use futures_util::StreamExt;

        let client = client_of_a_silent_server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let api = Api::<ConfigMap>::default_namespaced(client);
        let mut events = api.watch(&WatchParams::default(), "1").await.unwrap().boxed();
        let waited = tokio::time::timeout(Duration::from_millis(600), events.next()).await;
        assert!(waited.is_err(), "{waited:?}");
    }
}
