//! Errors of the deploy lock.

use std::time::Duration;

use super::lease::LockHolder;
use crate::domain::Target;
use crate::k8s::ApiError;

/// Why a lock that was held is held no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LossCause {
    #[error("the Kubernetes API could not be reached for too long")]
    NotRenewed,
    #[error("another deploy took it")]
    TakenOver,
    #[error("someone deleted its Lease")]
    LeaseDeleted,
    #[error("the namespace was deleted, and the app with it")]
    NamespaceDeleted,
}

/// Why the lock is not held.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{0}")]
    Held(Box<LockHolder>),
    /// The lock was still held after the time limit for waiting.
    #[error("gave up waiting after {} s: {holder}", waited.as_secs())]
    WaitTimedOut { holder: Box<LockHolder>, waited: Duration },
    /// The lock was held, and then not renewed in time or taken over.
    #[error("the deploy lock of {target} was lost: {cause}")]
    Lost { target: Target, cause: LossCause },
    #[error(transparent)]
    Api(#[from] ApiError),
}
