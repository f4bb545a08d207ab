//! The durations of a rollout.

use std::time::Duration;

use serde::Serialize;

/// The operator's settings, which the chart states in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RolloutTimes {
    /// How long a rollout may make no progress.
    #[serde(rename = "rollout_timeout_seconds", serialize_with = "whole_seconds")]
    pub rollout_timeout: Duration,
    /// How long a new pod has to stay ready before it replaces an old one.
    #[serde(rename = "settle_time_seconds", serialize_with = "whole_seconds")]
    pub settle_time: Duration,
    /// How long the nodes may take to follow a Service's endpoints.
    #[serde(rename = "endpoint_delay_seconds", serialize_with = "whole_seconds")]
    pub endpoint_delay: Duration,
}

fn whole_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

impl Default for RolloutTimes {
    /// The defaults of the flags.
    fn default() -> Self {
        Self {
            rollout_timeout: Duration::from_secs(300),
            settle_time: Duration::from_secs(5),
            endpoint_delay: Duration::from_secs(3),
        }
    }
}

impl RolloutTimes {
    /// The Deployment's `progressDeadlineSeconds`: the API server requires that it is above `minReadySeconds`.
    pub(super) fn progress_deadline_seconds(&self, settle_seconds: u64) -> u64 {
        self.rollout_timeout.as_secs().max(settle_seconds + 1)
    }
}
