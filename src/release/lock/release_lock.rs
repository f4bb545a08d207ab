//! A held deploy lock.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::api::LeaseApi;
use super::clock::Clock;
use super::error::LockError;
use super::hold::Hold;
use super::lease::{LockClaim, ProcessIdentity};
use super::renew::renew_until_stopped;
use crate::domain::Target;

/// Limit for the release of the Lease. After that the Lease expires by itself.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(8);

/// The right to change one release. Its Lease is renewed until the lock is released or dropped.
#[derive(Debug)]
pub struct ReleaseLock {
    target: Target,
    /// The identity of the holder that did not release the lock.
    taken_from: Option<String>,
    hold: Arc<Hold>,
    renewal: JoinHandle<()>,
    /// Cancelled on drop; the renewal task then releases the Lease.
    stop: DropGuard,
}

impl ReleaseLock {
    /// Starts to renew `lease`, which was written after the moment `since`.
    pub(super) fn hold(
        client: &Client,
        target: &Target,
        lease: Lease,
        claim: LockClaim,
        since: Instant,
        clock: Clock,
        taken_from: Option<String>,
    ) -> Self {
        let hold = Arc::new(Hold::new(claim, since, clock));
        let stop = CancellationToken::new();
        let renewal =
            tokio::spawn(renew_until_stopped(LeaseApi::new(client, target), lease, hold.clone(), stop.clone()));
        Self { target: target.clone(), taken_from, hold, renewal, stop: stop.drop_guard() }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Whether the holder before died or lost the lock, instead of releasing it.
    pub fn is_taken_over(&self) -> bool {
        self.taken_from.is_some()
    }

    /// Whether the holder before was an earlier process of this gateway, which has therefore ended.
    pub fn is_own_after_restart(&self) -> bool {
        self.taken_from.as_deref() == Some(self.process().identity.as_str())
    }

    /// The process that holds the lock.
    pub fn process(&self) -> &ProcessIdentity {
        &self.hold.claim.process
    }

    /// Unique for each time that a lock is taken.
    pub fn token(&self) -> Uuid {
        self.hold.claim.token
    }

    /// The time of day for records. It advances evenly, whatever happens to this machine's clock, and follows the API
    /// server's clock where the two disagree.
    pub fn now(&self) -> Timestamp {
        self.hold.clock.now()
    }

    /// Checks the lock before a write, by a monotonic clock.
    ///
    /// # Errors
    /// [`LockError::Lost`] when the lock could not be renewed, or was taken over.
    pub fn check(&self) -> Result<(), LockError> {
        if self.hold.is_valid() { Ok(()) } else { Err(self.lost()) }
    }

    /// Runs `work` while the lock is held. For every write, and for everything that takes long.
    ///
    /// # Errors
    /// [`LockError::Lost`] when the lock ends first; `work` is then dropped.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Result<T, LockError> {
        self.check()?;
        tokio::select! {
            result = work => Ok(result),
            () = self.hold.ended() => Err(self.lost()),
        }
    }

    /// Releases the lock, and waits for a bounded time until the Lease is written.
    pub async fn release(self) {
        drop(self.stop);
        if tokio::time::timeout(RELEASE_TIMEOUT, self.renewal).await.is_err() {
            tracing::warn!(app = %self.target, "the deploy lock was not released in time; its Lease will expire");
        }
    }

    fn lost(&self) -> LockError {
        LockError::Lost { target: self.target.clone(), cause: self.hold.loss_cause() }
    }
}
