//! The time of day while a lock is held: what is written then goes into records that others read and compare. Somebody may
//! set this machine's clock meanwhile, or it may be wrong all along.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

/// How far this machine's clock may be from the API server's, which is told in whole seconds, to be believed.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// A time of day that nobody sets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    time: Timestamp,
    at: Instant,
}

impl Clock {
    /// The clock from the moment `at` on. `server` is what the API server's showed then, as far as it said so, and `here`
    /// what this machine's did.
    pub fn new(at: Instant, here: Timestamp, server: Option<Timestamp>) -> Self {
        let wrong = |server: &Timestamp| here.duration_since(*server).abs() > TOLERANCE;
        Self { time: server.filter(wrong).unwrap_or(here), at }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.at.elapsed()).unwrap_or_default();
        self.time.checked_add(elapsed).unwrap_or(self.time)
    }
}

/// When the API server last took a change of the Lease, by its own clock.
pub(super) fn changed(lease: &Lease) -> Option<Timestamp> {
    let fields = lease.metadata.managed_fields.iter().flatten();
    fields.filter_map(|entry| entry.time.as_ref()).map(|time| time.0).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_goes_on_from_the_servers_time_where_this_machines_is_wrong() {
        let here: Timestamp = "2026-11-21T12:00:00.25Z".parse().unwrap();
        let minute = std::time::Duration::from_secs(60);
        for (server, now) in [
            (None, "2026-11-21T12:01:00Z"),
            (Some("2026-11-21T12:00:01Z"), "2026-11-21T12:01:00Z"),
            (Some("2026-11-21T10:00:00Z"), "2026-11-21T10:01:00Z"),
            (Some("2026-11-21T14:00:00Z"), "2026-11-21T14:01:00Z"),
        ] {
            let server: Option<Timestamp> = server.map(|time| time.parse().unwrap());
            let clock = Clock::new(Instant::now().checked_sub(minute).unwrap(), here, server);
            let off = clock.now().duration_since(now.parse().unwrap());
            assert!(off.abs() < SignedDuration::from_secs(5), "{server:?}: {off}");
        }
    }
}
