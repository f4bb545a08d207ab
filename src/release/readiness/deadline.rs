//! The time limits of a rollout. Pure.

use tokio::time::Instant;

use super::super::rollout_limits::RolloutLimits;

/// When a rollout that is not ready fails.
#[derive(Debug)]
pub(super) struct RolloutDeadline {
    limits: RolloutLimits,
    began: Instant,
    last_progress: Instant,
}

impl RolloutDeadline {
    pub(super) fn new(limits: RolloutLimits, now: Instant) -> Self {
        Self { limits, began: now, last_progress: now }
    }

    pub(super) fn note_progress(&mut self, now: Instant) {
        self.last_progress = now;
    }

    pub(super) fn at(&self) -> Instant {
        (self.last_progress + self.limits.progress).min(self.began + self.limits.total)
    }

    /// The limit that was exceeded, as the end of `… was not ready`.
    pub(super) fn describe(&self) -> String {
        let RolloutLimits { progress, total } = self.limits;
        if self.began + total <= self.last_progress + progress {
            format!("within {} s, the limit for a whole rollout", total.as_secs())
        } else if self.last_progress > self.began {
            format!("within {} s of its last progress", progress.as_secs())
        } else {
            format!("within {} s", progress.as_secs())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_deadline_moves_with_the_progress_up_to_the_limit_of_the_whole_rollout() {
        let (began, seconds) = (Instant::now(), Duration::from_secs);
        let limits = RolloutLimits { progress: seconds(10), total: seconds(25) };
        let mut deadline = RolloutDeadline::new(limits, began);
        assert_eq!((deadline.at() - began, deadline.describe().as_str()), (seconds(10), "within 10 s"));
        deadline.note_progress(began + seconds(9));
        assert_eq!(deadline.at() - began, seconds(19));
        assert_eq!(deadline.describe(), "within 10 s of its last progress");
        deadline.note_progress(began + seconds(18));
        assert_eq!(deadline.at() - began, seconds(25));
        assert_eq!(deadline.describe(), "within 25 s, the limit for a whole rollout");
    }
}
