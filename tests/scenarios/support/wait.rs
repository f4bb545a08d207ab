//! Waiting for conditions.

use std::time::{Duration, Instant};

/// The limit for changes that slipway promises to make without delay.
pub const SECOND: Duration = Duration::from_secs(1);
/// Long enough for a heavily loaded machine.
pub const DEFAULT_LIMIT: Duration = Duration::from_secs(120);

/// Waits until `condition` returns a value.
#[track_caller]
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    within(DEFAULT_LIMIT, what, condition, String::new)
}

/// Waits until `condition` is true.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}

/// Waits for at most `limit` until `condition` returns a value. The panic message ends with `details`.
#[track_caller]
pub fn within<T>(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
    details: impl Fn() -> String,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}\n{}", details());
        // Most conditions start a process, so that long waits poll less often.
        std::thread::sleep((began.elapsed() / 10).clamp(Duration::from_millis(25), Duration::from_millis(500)));
    }
}
