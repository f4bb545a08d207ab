//! Helpers for the unit tests of several modules.

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::domain::{ClusterName, Progress, ProgressEvent, Target};

/// A client of a fake API server: `respond` returns the status and the body for each request.
pub fn fake_api_server(respond: impl Fn(&Request<Body>) -> (u16, Value) + Send + Clone + 'static) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (status, body) = respond(&request);
        let response = Response::builder().status(status).body(Body::from(body.to_string().into_bytes()));
        std::future::ready(response)
    });
    Client::new(service, "default")
}

/// The API server's response for a missing object.
pub fn not_found() -> (u16, Value) {
    (404, serde_json::json!({ "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404 }))
}

/// The result of `work`, and the progress that it reported.
pub async fn collect_progress<T>(work: impl AsyncFnOnce(Progress) -> T) -> (T, Vec<ProgressEvent>) {
    let (progress, events) = Progress::channel();
    tokio::join!(work(progress), ReceiverStream::new(events).collect())
}

/// A release in the home cluster.
pub fn target(namespace: &str, release: &str) -> Target {
    Target { cluster: ClusterName::home(), namespace: namespace.parse().unwrap(), release: release.parse().unwrap() }
}
