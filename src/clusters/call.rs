//! One request to the Kubernetes API: with a deadline, and repeated a few times where that can help.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use kube::core::Status;

/// How long one attempt may take: longer than the silence that ends a request of its client. An admission webhook alone
/// may take ten seconds.
const ATTEMPT: Duration = Duration::from_secs(25);
/// The longest pause that a server may ask for with `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How many characters of the server's own words reach the pusher.
const WORDS: usize = 600;

/// A request that failed for good.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.describe())]
pub struct CallError {
    doing: String,
    #[source]
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    #[error(transparent)]
    Kube(#[from] kube::Error),
}

impl CallError {
    /// The server's refusal, if it answered with one.
    pub fn status(&self) -> Option<&Status> {
        match &self.cause {
            Cause::Kube(kube::Error::Api(status)) => Some(status),
            _ => None,
        }
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(Status::is_not_found)
    }

    /// Whether the object was there already.
    pub fn is_already_exists(&self) -> bool {
        self.status().is_some_and(Status::is_already_exists)
    }

    /// Whether someone else changed the object in the meantime.
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(Status::is_conflict)
    }

    /// Whether the server does not know the API group that was asked for.
    pub fn is_unknown_group(&self) -> bool {
        use kube::error::DiscoveryError::{EmptyApiGroup, MissingApiGroup};
        matches!(self.cause, Cause::Kube(kube::Error::Discovery(MissingApiGroup(_) | EmptyApiGroup(_))))
    }

    /// A refusal is told in the server's words, because the pusher may be able to act on it; anything
    /// else (addresses, certificates) is for the log.
    fn describe(&self) -> String {
        let doing = &self.doing;
        match &self.cause {
            Cause::Timeout(_) => format!("the Kubernetes API did not answer while {doing}"),
            Cause::Kube(kube::Error::Api(status)) if is_of_the_request(status) => {
                format!("the Kubernetes API refused {doing}: {}", words(&status.message))
            }
            Cause::Kube(kube::Error::Api(status)) => {
                format!("the Kubernetes API failed with status {} while {doing}", status.code)
            }
            Cause::Kube(_) => format!("the Kubernetes API could not be used while {doing}"),
        }
    }

    /// Whether the same request may succeed a moment later. A refusal never does.
    fn is_transient(&self) -> bool {
        match &self.cause {
            Cause::Timeout(_) => true,
            Cause::Kube(kube::Error::Api(status)) => {
                (status.code == 429 || status.code >= 500) && !is_of_the_patch(status)
            }
            Cause::Kube(kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_)) => true,
            Cause::Kube(_) => false,
        }
    }

    /// The pause before the next attempt: the server's wish counts where it has one.
    fn pause(&self, planned: Duration) -> Duration {
        let wished = self.status().and_then(|status| status.details.as_ref()).map_or(0, |d| d.retry_after_seconds);
        planned.max(Duration::from_secs(u64::from(wished))).min(LONGEST_PAUSE)
    }
}

/// Whether an answer is about what was asked for, or about an admission webhook that was to judge it.
fn is_of_the_request(status: &Status) -> bool {
    (400..500).contains(&status.code) || is_of_the_patch(status) || status.message.contains("failed calling webhook")
}

/// An object that server-side apply cannot read is answered with 500, as if it were the server's fault.
fn is_of_the_patch(status: &Status) -> bool {
    status.message.contains("failed to create typed patch object")
}

fn words(message: &str) -> String {
    crate::domain::progress::clean(&message.replace('\n', " ")).chars().take(WORDS).collect()
}

/// Makes the request that `attempt` describes, at most four times; `doing` completes "failed while …".
///
/// # Errors
/// [`CallError`] with the last answer.
pub async fn call<T, F>(doing: impl Into<String>, mut attempt: impl FnMut() -> F) -> Result<T, CallError>
where
    F: Future<Output = kube::Result<T>>,
{
    let doing = doing.into();
    let backoff = ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(150))
        .with_max_delay(Duration::from_secs(3))
        .with_max_times(3);
    (|| once(doing.clone(), ATTEMPT, attempt()))
        .retry(backoff)
        .when(CallError::is_transient)
        .adjust(|error, planned| planned.map(|pause| error.pause(pause)))
        .notify(|error, pause| {
            tracing::warn!(error = %error, cause = ?error.cause, ?pause, "a request to the Kubernetes API failed and is repeated");
        })
        .await
}

/// Makes one request, once.
///
/// # Errors
/// [`CallError`] with the answer, or when none came within `deadline`.
pub async fn once<T>(
    doing: impl Into<String>,
    deadline: Duration,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, CallError> {
    let answer = tokio::time::timeout(deadline, request).await;
    let result = answer.map_err(|_| Cause::Timeout(deadline)).and_then(|answer| answer.map_err(Cause::from));
    result.map_err(|cause| CallError { doing: doing.into(), cause })
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn refusal(code: u16, reason: &str) -> kube::Error {
        kube::Error::Api(Status::failure("no, because", reason).with_code(code).boxed())
    }

    async fn attempts(code: u16, reason: &str) -> (u32, CallError) {
        let count = AtomicU32::new(0);
        let error = call("applying x", || {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err::<(), _>(refusal(code, reason)))
        })
        .await
        .unwrap_err();
        (count.into_inner(), error)
    }

    #[tokio::test]
    async fn a_conflict_and_a_refusal_are_not_repeated() {
        let (count, error) = attempts(409, "Conflict").await;
        assert_eq!((count, error.is_conflict()), (1, true));
        let (count, error) = attempts(403, "Forbidden").await;
        assert_eq!(count, 1);
        assert_eq!(error.to_string(), "the Kubernetes API refused applying x: no, because");
    }

    #[tokio::test]
    async fn an_overloaded_server_is_asked_again() {
        let (count, error) = attempts(429, "TooManyRequests").await;
        assert_eq!(count, 4);
        assert!(!error.is_conflict());
        let (count, error) = attempts(500, "InternalError").await;
        assert_eq!(
            (count, error.to_string().as_str()),
            (4, "the Kubernetes API failed with status 500 while applying x")
        );
    }

    /// As kube-apiserver 1.20 answers to a Service's port without a protocol.
    #[tokio::test]
    async fn a_patch_that_cannot_be_read_is_no_fault_of_the_server() {
        let message = "failed to create typed patch object: .spec.ports: element 0 omits key field \"protocol\"";
        let refused = || Err::<(), _>(kube::Error::Api(Status::failure(message, "").with_code(500).boxed()));
        let error = call("applying x", || std::future::ready(refused())).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the Kubernetes API refused applying x: {message}"));
        assert!(!error.is_transient());
    }

    #[tokio::test]
    async fn silence_ends_with_a_deadline() {
        let silence = std::future::pending::<kube::Result<()>>();
        let error = once("reading x", Duration::from_millis(20), silence).await.unwrap_err();
        assert_eq!(error.to_string(), "the Kubernetes API did not answer while reading x");
        assert!(error.is_transient());
        assert_eq!(error.source().unwrap().to_string(), "no answer within 0.02 s");
    }
}
