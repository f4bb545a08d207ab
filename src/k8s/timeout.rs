//! The middleware of every request: an idle timeout, the request metric, and the API server's health.
//!
//! A total timeout would end every watch on which nothing happens.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use http::{Request, Response};
use http_body_util::{BodyStream, StreamBody};
use kube::client::{Body, DynBody};
use metrics::counter;
use tower::{BoxError, Layer, Service};

use super::api_health::ApiHealth;
use crate::domain::metric_names;

/// The part of a response that has to arrive within the timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// The head, and each next frame of the body.
    Body,
    /// The head alone: the body of a watch is idle while nothing changes.
    Head,
}

impl Limit {
    fn for_request(request: &Request<Body>) -> Self {
        let is_watch = request.uri().query().unwrap_or_default().split('&').any(|pair| pair == "watch=true");
        if is_watch { Self::Head } else { Self::Body }
    }
}

#[derive(Debug, Clone)]
pub(super) struct IdleTimeoutLayer {
    idle_timeout: Duration,
    api_health: ApiHealth,
}

impl IdleTimeoutLayer {
    pub(super) fn new(idle_timeout: Duration, api_health: ApiHealth) -> Self {
        Self { idle_timeout, api_health }
    }
}

impl<S> Layer<S> for IdleTimeoutLayer {
    type Service = IdleTimeout<S>;

    fn layer(&self, inner: S) -> IdleTimeout<S> {
        IdleTimeout { inner, idle_timeout: self.idle_timeout, api_health: self.api_health.clone() }
    }
}

/// A service that fails a request when no byte of the response arrives for as long as `idle_timeout`.
#[derive(Debug)]
pub(super) struct IdleTimeout<S> {
    inner: S,
    idle_timeout: Duration,
    api_health: ApiHealth,
}

impl<S> Service<Request<Body>> for IdleTimeout<S>
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
        let idle_timeout = self.idle_timeout;
        let limit = Limit::for_request(&request);
        let method = if limit == Limit::Head { "WATCH".to_owned() } else { request.method().to_string() };
        let response = with_head_timeout(idle_timeout, self.inner.call(request));
        let response = record_response(method, self.api_health.clone(), response);
        match limit {
            Limit::Head => response.boxed(),
            Limit::Body => async move { Ok(response.await?.map(|body| fail_when_idle(body, idle_timeout))) }.boxed(),
        }
    }
}

async fn record_response<E>(
    method: String,
    api_health: ApiHealth,
    response: impl Future<Output = Result<Response<Box<DynBody>>, E>>,
) -> Result<Response<Box<DynBody>>, E> {
    let result = response.await;
    api_health.record(result.as_ref().is_ok_and(|response| !response.status().is_server_error()));
    let code = result.as_ref().map_or_else(|_| "error".to_owned(), |response| response.status().as_str().to_owned());
    counter!(metric_names::API_REQUESTS_TOTAL, "method" => method, "code" => code).increment(1);
    result
}

async fn with_head_timeout<T>(
    idle_timeout: Duration,
    response: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    tokio::time::timeout(idle_timeout, response).await?
}

/// The body, with an error once no frame arrives for as long as `idle_timeout`.
fn fail_when_idle(body: Box<DynBody>, idle_timeout: Duration) -> Box<DynBody> {
    let frames = tokio_stream::StreamExt::timeout(BodyStream::new(body), idle_timeout)
        .map(|frame| frame.map_err(BoxError::from).and_then(|frame| frame));
    Box::new(StreamBody::new(frames.boxed()))
}
