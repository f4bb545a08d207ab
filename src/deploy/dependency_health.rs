//! The health of a service that every push needs, by its probes.

use metrics::gauge;

use crate::domain::metric_names;

/// The number of consecutive failures after which a dependency is down: a single response may get lost.
const FAILURE_THRESHOLD: u32 = 2;

pub(super) struct Dependency {
    /// The value of the metrics label `dependency`.
    name: &'static str,
    /// The message while the dependency is down.
    down_message: &'static str,
    health: Health,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// No probe has ended yet. Counts as down.
    Unknown,
    Up {
        consecutive_failures: u32,
    },
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HealthChange {
    CameUp,
    WentDown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProbeResult {
    Success,
    Failure,
}

impl Health {
    fn after(self, result: ProbeResult) -> Self {
        match (self, result) {
            (_, ProbeResult::Success) => Self::Up { consecutive_failures: 0 },
            (Self::Up { consecutive_failures }, ProbeResult::Failure)
                if consecutive_failures + 1 < FAILURE_THRESHOLD =>
            {
                Self::Up { consecutive_failures: consecutive_failures + 1 }
            }
            (Self::Unknown | Self::Up { .. } | Self::Down, ProbeResult::Failure) => Self::Down,
        }
    }

    /// The change to log. A dependency that is down from the start has one as well: its reason is logged once.
    fn change_to(self, next: Self) -> Option<HealthChange> {
        match (self, next) {
            (Self::Unknown | Self::Down, Self::Up { .. }) => Some(HealthChange::CameUp),
            (Self::Unknown | Self::Up { .. }, Self::Down) => Some(HealthChange::WentDown),
            _ => None,
        }
    }
}

impl Dependency {
    pub fn new(name: &'static str, down_message: &'static str) -> Self {
        Self { name, down_message, health: Health::Unknown }
    }

    /// Records the result of a probe, and logs a change.
    pub fn record<E: std::error::Error>(&mut self, result: Result<(), E>) {
        let probe_result = if result.is_ok() { ProbeResult::Success } else { ProbeResult::Failure };
        match (self.advance(probe_result), result) {
            (Some(HealthChange::WentDown), Err(error)) => {
                tracing::warn!(error = crate::telemetry::error_chain(&error), "{}", self.down_message);
            }
            (Some(HealthChange::CameUp), _) => {
                tracing::info!(dependency = self.name, "the dependency is healthy");
            }
            _ => {}
        }
        let up = if self.down_message().is_none() { 1.0 } else { 0.0 };
        gauge!(metric_names::DEPENDENCY_UP, "dependency" => self.name).set(up);
    }

    fn advance(&mut self, result: ProbeResult) -> Option<HealthChange> {
        let previous = self.health;
        self.health = previous.after(result);
        previous.change_to(self.health)
    }

    /// The message if the dependency is down.
    pub fn down_message(&self) -> Option<&'static str> {
        match self.health {
            Health::Up { .. } => None,
            Health::Unknown | Health::Down => Some(self.down_message),
        }
    }

    /// Whether the last probe succeeded.
    pub fn is_healthy(&self) -> bool {
        self.health == Health::Up { consecutive_failures: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProbeResult::{Failure, Success};

    fn engine() -> Dependency {
        Dependency::new("engine", "the Engine does not answer")
    }

    #[test]
    fn a_single_failed_probe_does_not_take_a_dependency_down() {
        let mut engine = engine();
        assert!(engine.down_message().is_some());
        assert_eq!(engine.advance(Success), Some(HealthChange::CameUp));
        assert_eq!(engine.advance(Failure), None);
        assert!(engine.down_message().is_none() && !engine.is_healthy());
        assert_eq!(engine.advance(Failure), Some(HealthChange::WentDown));
        assert!(engine.down_message().is_some());
        assert_eq!(engine.advance(Success), Some(HealthChange::CameUp));
        assert!(engine.is_healthy());
    }

    #[test]
    fn the_reason_of_a_dependency_that_is_down_from_the_start_is_logged_once() {
        let mut engine = engine();
        let changes = [Failure, Failure, Failure, Success].map(|result| engine.advance(result));
        assert_eq!(changes, [Some(HealthChange::WentDown), None, None, Some(HealthChange::CameUp)]);
    }
}
