//! Kubernetes API requests with a timeout, and with retries where a retry can help.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use kube::core::Status;

/// How long one attempt may take: longer than the client's idle timeout, which therefore expires first.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(25);
/// The longest `Retry-After` that is honoured.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(10);
/// How many characters of the server's own message reach the pusher.
const MAX_MESSAGE_CHARS: usize = 600;

/// A request that failed, after all retries.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.describe())]
pub struct ApiError {
    action: String,
    #[source]
    cause: Cause,
    /// Whether an attempt may have reached the API server.
    was_sent: bool,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("no response within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    #[error(transparent)]
    Kube(#[from] kube::Error),
}

impl Cause {
    /// Whether the connection failed, so that the request was never sent.
    fn is_unsent(&self) -> bool {
        let causes = std::iter::successors(std::error::Error::source(self), |error| error.source());
        let mut clients = causes.filter_map(|error| error.downcast_ref::<hyper_util::client::legacy::Error>());
        clients.next().is_some_and(hyper_util::client::legacy::Error::is_connect)
    }
}

impl ApiError {
    /// Whether no attempt reached the API server, so that nothing was changed.
    pub fn is_unsent(&self) -> bool {
        !self.was_sent
    }

    /// The error that the server responded with, if it did.
    pub fn status(&self) -> Option<&Status> {
        match &self.cause {
            Cause::Kube(kube::Error::Api(status)) => Some(status),
            _ => None,
        }
    }

    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(Status::is_not_found)
    }

    pub fn is_forbidden(&self) -> bool {
        self.status().is_some_and(Status::is_forbidden)
    }

    pub fn is_already_exists(&self) -> bool {
        self.status().is_some_and(Status::is_already_exists)
    }

    /// Whether another client changed the object after it was read.
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(Status::is_conflict)
    }

    /// Whether the server does not serve the requested API group.
    pub fn is_unknown_group(&self) -> bool {
        use kube::error::DiscoveryError::{EmptyApiGroup, MissingApiGroup};
        matches!(self.cause, Cause::Kube(kube::Error::Discovery(MissingApiGroup(_) | EmptyApiGroup(_))))
    }

    /// The pusher sees the server's message only for errors of the request, and can act on those; the messages of
    /// other causes may name addresses and certificates, and go to the log alone.
    fn describe(&self) -> String {
        let action = &self.action;
        match &self.cause {
            Cause::Timeout(_) => format!("the Kubernetes API did not respond while {action}"),
            Cause::Kube(kube::Error::Api(status)) if is_request_error(status) => {
                format!("the Kubernetes API refused {action}: {}", sanitize_message(&status.message))
            }
            Cause::Kube(kube::Error::Api(status)) => {
                format!("the Kubernetes API failed with status {} while {action}", status.code)
            }
            Cause::Kube(_) => format!("the Kubernetes API could not be used while {action}"),
        }
    }

    /// Whether a retry of the same request may succeed.
    fn is_transient(&self) -> bool {
        match &self.cause {
            Cause::Timeout(_) => true,
            Cause::Kube(kube::Error::Api(status)) => {
                (status.code == 429 || status.code >= 500) && !is_patch_error(status)
            }
            Cause::Kube(kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_)) => true,
            Cause::Kube(_) => false,
        }
    }

    /// The delay before the next attempt: at least the server's `Retry-After`, if it sent one.
    fn retry_delay(&self, planned: Duration) -> Duration {
        let retry_after = self.status().and_then(|status| status.details.as_ref()).map_or(0, |d| d.retry_after_seconds);
        planned.max(Duration::from_secs(u64::from(retry_after))).min(MAX_RETRY_DELAY)
    }
}

/// Whether the error is about the request itself, or about an admission webhook that was to review the request.
fn is_request_error(status: &Status) -> bool {
    (400..500).contains(&status.code) || is_patch_error(status) || status.message.contains("failed calling webhook")
}

/// kube-apiserver responds with 500 to a server-side apply patch that it cannot decode, although the patch is at fault.
fn is_patch_error(status: &Status) -> bool {
    status.message.contains("failed to create typed patch object")
}

fn sanitize_message(message: &str) -> String {
    crate::domain::progress::strip_control(&message.replace('\n', " ")).chars().take(MAX_MESSAGE_CHARS).collect()
}

/// Sends the request that `attempt` creates, at most four times. `action` completes "failed while …".
///
/// # Errors
/// [`ApiError`] of the last attempt.
pub async fn with_retries<T, F>(action: impl Into<String>, mut attempt: impl FnMut() -> F) -> Result<T, ApiError>
where
    F: Future<Output = kube::Result<T>>,
{
    let action = action.into();
    let backoff = ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(150))
        .with_max_delay(Duration::from_secs(3))
        .with_max_times(3);
    let mut was_sent = false;
    let result = (|| with_timeout(action.clone(), ATTEMPT_TIMEOUT, attempt()))
        .retry(backoff)
        .when(ApiError::is_transient)
        .adjust(|error, planned| planned.map(|delay| error.retry_delay(delay)))
        .notify(|error, delay| {
            was_sent |= error.was_sent;
            tracing::warn!(error = %error, cause = ?error.cause, ?delay, "a request to the Kubernetes API failed and is retried");
        })
        .await;
    result.map_err(|error| ApiError { was_sent: error.was_sent || was_sent, ..error })
}

/// Sends one request, without retries.
///
/// # Errors
/// [`ApiError`] of the response, or if none arrived within `timeout`.
pub async fn with_timeout<T>(
    action: impl Into<String>,
    timeout: Duration,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, ApiError> {
    let response = tokio::time::timeout(timeout, request).await;
    let result = response.map_err(|_| Cause::Timeout(timeout)).and_then(|response| response.map_err(Cause::from));
    result.map_err(|cause| ApiError { action: action.into(), was_sent: !cause.is_unsent(), cause })
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn refusal(code: u16, reason: &str) -> kube::Error {
        kube::Error::Api(Status::failure("no, because", reason).with_code(code).boxed())
    }

    async fn attempts(code: u16, reason: &str) -> (u32, ApiError) {
        let count = AtomicU32::new(0);
        let error = with_retries("applying x", || {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err::<(), _>(refusal(code, reason)))
        })
        .await
        .unwrap_err();
        (count.into_inner(), error)
    }

    #[tokio::test]
    async fn a_conflict_and_a_refusal_are_not_retried() {
        let (count, error) = attempts(409, "Conflict").await;
        assert_eq!((count, error.is_conflict()), (1, true));
        let (count, error) = attempts(403, "Forbidden").await;
        assert_eq!(count, 1);
        assert_eq!(error.to_string(), "the Kubernetes API refused applying x: no, because");
    }

    #[tokio::test]
    async fn a_request_to_an_overloaded_server_is_retried() {
        let (count, error) = attempts(429, "TooManyRequests").await;
        assert_eq!(count, 4);
        assert!(!error.is_conflict());
        let (count, error) = attempts(500, "InternalError").await;
        assert_eq!(
            (count, error.to_string().as_str()),
            (4, "the Kubernetes API failed with status 500 while applying x")
        );
    }

    /// The response of kube-apiserver 1.20 to a Service whose port has no protocol.
    #[tokio::test]
    async fn an_undecodable_patch_is_an_error_of_the_request() {
        let message = "failed to create typed patch object: .spec.ports: element 0 omits key field \"protocol\"";
        let refused = || Err::<(), _>(kube::Error::Api(Status::failure(message, "").with_code(500).boxed()));
        let error = with_retries("applying x", || std::future::ready(refused())).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the Kubernetes API refused applying x: {message}"));
        assert!(!error.is_transient());
    }

    /// The error of a request to a port on which nothing listens.
    async fn connection_refused() -> kube::Error {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let client = kube::Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
        client.apiserver_version().await.unwrap_err()
    }

    #[tokio::test]
    async fn a_request_is_unsent_only_if_no_attempt_had_a_connection() {
        let unsent = with_retries("applying x", async || Err::<(), _>(connection_refused().await)).await.unwrap_err();
        assert!(unsent.is_unsent(), "{unsent:?}");
        let count = AtomicU32::new(0);
        let sent_once = with_retries("applying x", async || {
            Err::<(), _>(match count.fetch_add(1, Ordering::Relaxed) {
                0 => refusal(503, "Unavailable"),
                _ => connection_refused().await,
            })
        });
        let sent_once = sent_once.await.unwrap_err();
        assert!(!sent_once.is_unsent() && sent_once.status().is_none(), "{sent_once:?}");
    }

    #[tokio::test]
    async fn a_request_without_a_response_times_out() {
        let no_response = std::future::pending::<kube::Result<()>>();
        let error = with_timeout("reading x", Duration::from_millis(20), no_response).await.unwrap_err();
        assert_eq!(error.to_string(), "the Kubernetes API did not respond while reading x");
        assert!(error.is_transient());
        assert_eq!(error.source().unwrap().to_string(), "no response within 0.02 s");
    }
}
