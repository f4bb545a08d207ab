//! What the unit tests of several rooms share.

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::domain::{Event, Progress};

/// A client of an API server that gives each request the status and the body that `answer` says.
pub fn api_server(answer: impl Fn(&Request<Body>) -> (u16, Value) + Send + Clone + 'static) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (status, body) = answer(&request);
        let response = Response::builder().status(status).body(Body::from(body.to_string().into_bytes()));
        std::future::ready(response)
    });
    Client::new(service, "default")
}

/// That there is no such thing, as the API server says it.
pub fn not_found() -> (u16, Value) {
    (404, serde_json::json!({ "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404 }))
}

/// What some work comes to, and what the pusher sees of it.
pub async fn heard<T>(work: impl AsyncFnOnce(Progress) -> T) -> (T, Vec<Event>) {
    let (progress, events) = Progress::channel();
    tokio::join!(work(progress), ReceiverStream::new(events).collect())
}
