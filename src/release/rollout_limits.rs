//! The time limits of a rollout.

use std::time::Duration;

/// How often the limit for the progress fits into the limit for a whole rollout, unless an operator sets the latter.
const DEFAULT_FACTOR: u32 = 6;

/// How long the objects of a release may take to become ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolloutLimits {
    /// Without progress: no further pod was created, started, became ready or was replaced.
    pub progress: Duration,
    /// In all.
    pub total: Duration,
}

impl RolloutLimits {
    /// The default for the whole rollout is six times the limit for the progress.
    pub fn new(progress: Duration, total: Option<Duration>) -> Self {
        Self { progress, total: total.unwrap_or(progress.saturating_mul(DEFAULT_FACTOR)).max(progress) }
    }
}
