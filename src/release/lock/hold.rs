//! The state of a held lock, shared by its holder and the task that renews its Lease.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::error::LossCause;
use super::lease::LockClaim;

/// Time after the last renewal for which the holder trusts its lock. Less than [`super::lease::LEASE_DURATION`], by the
/// time that a write takes.
pub(super) const RENEW_DEADLINE: Duration = Duration::from_secs(12);

#[derive(Debug)]
pub(super) struct Hold {
    pub claim: LockClaim,
    pub clock: Clock,
    pub lost: CancellationToken,
    renewed: Mutex<Instant>,
    /// Set before `lost` is cancelled because of the Lease's state.
    loss: OnceLock<LossCause>,
}

impl Hold {
    /// `renewed` is the time just before the request that wrote the Lease.
    pub fn new(claim: LockClaim, renewed: Instant, clock: Clock) -> Self {
        Self { claim, clock, lost: CancellationToken::new(), renewed: Mutex::new(renewed), loss: OnceLock::new() }
    }

    pub fn set_renewed(&self, when: Instant) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = when;
    }

    pub fn set_lost(&self, cause: LossCause) {
        let _ = self.loss.set(cause);
        self.lost.cancel();
    }

    /// Why the lock is lost, once it is.
    pub fn loss_cause(&self) -> LossCause {
        self.loss.get().copied().unwrap_or(LossCause::NotRenewed)
    }

    pub fn is_valid(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < self.valid_until()
    }

    /// Resolves when the lock has been lost, or not been renewed in time.
    pub async fn ended(&self) {
        while self.is_valid() {
            let expiry = tokio::time::sleep_until(self.valid_until());
            self.lost.run_until_cancelled(expiry).await;
        }
    }

    fn valid_until(&self) -> Instant {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) + RENEW_DEADLINE
    }
}

#[cfg(test)]
mod tests {
    use super::super::lease::{LEASE_DURATION, TAKEOVER_AFTER};
    use super::*;

    #[test]
    fn a_holder_stops_writing_before_its_lease_can_be_taken_over() {
        assert!(TAKEOVER_AFTER > RENEW_DEADLINE && LEASE_DURATION > RENEW_DEADLINE);
    }
}
