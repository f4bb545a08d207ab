//! Errors of the deploy lock.

use std::time::Duration;

use super::lease::LockHolder;
use crate::domain::Target;
use crate::k8s::ApiError;

/// Why the lock is not held.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{0}")]
    Held(Box<LockHolder>),
    /// The lock was still held after the time limit for waiting.
    #[error("gave up waiting after {} s: {holder}", waited.as_secs())]
    WaitTimedOut { holder: Box<LockHolder>, waited: Duration },
    /// The lock was held, and then not renewed in time or taken over.
    #[error(
        "the deploy lock of {target} was lost: the Kubernetes API was unreachable for too long, or someone took the lock"
    )]
    Lost { target: Target },
    #[error(transparent)]
    Api(#[from] ApiError),
}
