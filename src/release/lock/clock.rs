//! The time of day while a lock is held, for records that others read and compare. This machine's clock may be set in
//! the meantime, or be wrong from the start.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

/// Largest accepted difference between this machine's clock and the API server's, whose times have whole seconds.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// A time of day that advances with the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    time: Timestamp,
    at: Instant,
}

impl Clock {
    /// Starts at the moment `at`, when this machine's clock showed `local` and the API server's clock `server`, if that
    /// is known. The server's time is used if the two differ by more than the tolerance.
    pub fn new(at: Instant, local: Timestamp, server: Option<Timestamp>) -> Self {
        let disagrees = |server: &Timestamp| local.duration_since(*server).abs() > TOLERANCE;
        Self { time: server.filter(disagrees).unwrap_or(local), at }
    }

    pub fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.at.elapsed()).unwrap_or_default();
        self.time.checked_add(elapsed).unwrap_or(self.time)
    }
}

/// The API server's time of the last change of the Lease, from its managed fields.
pub(super) fn last_change(lease: &Lease) -> Option<Timestamp> {
    let fields = lease.metadata.managed_fields.iter().flatten();
    fields.filter_map(|entry| entry.time.as_ref()).map(|time| time.0).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_follows_the_servers_time_where_this_machines_is_wrong() {
        let local: Timestamp = "2026-11-21T12:00:00.25Z".parse().unwrap();
        let minute = std::time::Duration::from_secs(60);
        for (server, now) in [
            (None, "2026-11-21T12:01:00Z"),
            (Some("2026-11-21T12:00:01Z"), "2026-11-21T12:01:00Z"),
            (Some("2026-11-21T10:00:00Z"), "2026-11-21T10:01:00Z"),
            (Some("2026-11-21T14:00:00Z"), "2026-11-21T14:01:00Z"),
        ] {
            let server: Option<Timestamp> = server.map(|time| time.parse().unwrap());
            let clock = Clock::new(Instant::now().checked_sub(minute).unwrap(), local, server);
            let off = clock.now().duration_since(now.parse().unwrap());
            assert!(off.abs() < SignedDuration::from_secs(5), "{server:?}: {off}");
        }
    }
}
