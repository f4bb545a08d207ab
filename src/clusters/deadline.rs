//! What all requests of a client go through: a limit on how long the API server may be silent, and the count of them.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use http::{Request, Response};
use http_body_util::{BodyStream, StreamBody};
use kube::client::{Body, DynBody};
use metrics::counter;
use tower::{BoxError, Layer, Service};

use super::pulse::Pulse;
use crate::domain::metric;

/// What is limited in the answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// The wait for its beginning, and each wait for more of it.
    Whole,
    /// The wait for its beginning. A watch is silent while nothing happens.
    Beginning,
}

impl Limit {
    fn of(request: &Request<Body>) -> Self {
        let is_watch = request.uri().query().unwrap_or_default().split('&').any(|pair| pair == "watch=true");
        if is_watch { Self::Beginning } else { Self::Whole }
    }
}

/// Adds the limit to a client.
#[derive(Debug, Clone)]
pub(super) struct DeadlineLayer {
    silence: Duration,
    pulse: Pulse,
}

impl DeadlineLayer {
    pub(super) fn new(silence: Duration, pulse: Pulse) -> Self {
        Self { silence, pulse }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner, silence: self.silence, pulse: self.pulse.clone() }
    }
}

/// A service whose answers are limited.
#[derive(Debug)]
pub(super) struct Deadline<S> {
    inner: S,
    silence: Duration,
    pulse: Pulse,
}

impl<S> Service<Request<Body>> for Deadline<S>
where
    S: Service<Request<Body>, Response = Response<Box<DynBody>>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Box<DynBody>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let silence = self.silence;
        let limit = Limit::of(&request);
        let method = if limit == Limit::Beginning { "WATCH".to_owned() } else { request.method().to_string() };
        let response = beginning_within(silence, self.inner.call(request));
        let response = counted(method, self.pulse.clone(), response);
        match limit {
            Limit::Beginning => response.boxed(),
            Limit::Whole => async move { Ok(response.await?.map(|body| limited(body, silence))) }.boxed(),
        }
    }
}

async fn counted<E>(
    method: String,
    pulse: Pulse,
    response: impl Future<Output = Result<Response<Box<DynBody>>, E>>,
) -> Result<Response<Box<DynBody>>, E> {
    let result = response.await;
    pulse.keep(result.as_ref().is_ok_and(|response| !response.status().is_server_error()));
    let code = result.as_ref().map_or_else(|_| "error".to_owned(), |response| response.status().as_str().to_owned());
    counter!(metric::API_REQUESTS_TOTAL, "method" => method, "code" => code).increment(1);
    result
}

async fn beginning_within<T>(
    silence: Duration,
    response: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    tokio::time::timeout(silence, response).await?
}

/// The body, failing when no more of it comes for as long as `silence`.
fn limited(body: Box<DynBody>, silence: Duration) -> Box<DynBody> {
    let frames = tokio_stream::StreamExt::timeout(BodyStream::new(body), silence)
        .map(|frame| frame.map_err(BoxError::from).and_then(|frame| frame));
    Box::new(StreamBody::new(frames.boxed()))
}
