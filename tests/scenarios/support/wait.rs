//! Waiting on conditions.

use std::time::{Duration, Instant};

/// What is promised to take no longer.
pub const SECOND: Duration = Duration::from_secs(1);

/// Waits until `condition` holds, for as long as a loaded machine may need.
#[track_caller]
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    within(Duration::from_secs(120), what, condition, String::new)
}

/// Waits until `condition` holds, for at most `limit`.
#[track_caller]
pub fn within<T>(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
    otherwise: impl Fn() -> String,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}\n{}", otherwise());
        // To ask takes a program's start, and the machine has more to do: who waits long asks seldom.
        std::thread::sleep((began.elapsed() / 10).clamp(Duration::from_millis(25), Duration::from_millis(500)));
    }
}
