//! Metrics and trace results of deploys.

use std::fmt::Display;

use metrics::{counter, gauge, histogram};
use tokio::time::Instant;

use crate::domain::{DeployTrace, PipelineResult, in_span, metric_names};

use super::error::DeployError;

/// A phase of a deploy with a duration metric.
#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    Preflight,
    Build,
    Publish,
    Release,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Build => "build",
            Self::Publish => "publish",
            Self::Release => "release",
        }
    }

    /// Runs the phase in a span, and records its duration.
    pub fn measure<T, E: Display>(
        self,
        work: impl Future<Output = Result<T, E>>,
    ) -> impl Future<Output = Result<T, E>> {
        let work = in_span(self.as_str(), work);
        async move {
            let began = Instant::now();
            let result = work.await;
            histogram!(metric_names::PHASE_SECONDS, "phase" => self.as_str()).record(began.elapsed());
            result
        }
    }
}

/// A running deploy: counted as running until dropped.
pub(super) struct DeployTimer {
    kind: &'static str,
    began: Instant,
}

impl DeployTimer {
    /// `kind` is `push`, `redeploy` or `rollback`.
    pub fn new(kind: &'static str) -> Self {
        gauge!(metric_names::DEPLOYS).increment(1);
        Self { kind, began: Instant::now() }
    }

    /// Records the result and the duration of the deploy. Returns the duration in seconds.
    pub fn finish<T, E>(self, result: &Result<T, E>) -> f64 {
        let (kind, result) = (self.kind, if result.is_ok() { "deployed" } else { "failed" });
        let seconds = self.began.elapsed().as_secs_f64();
        counter!(metric_names::DEPLOYS_TOTAL, "kind" => kind, "result" => result).increment(1);
        histogram!(metric_names::DEPLOY_SECONDS, "kind" => kind, "result" => result).record(seconds);
        seconds
    }
}

impl Drop for DeployTimer {
    fn drop(&mut self) {
        gauge!(metric_names::DEPLOYS).decrement(1);
    }
}

pub(super) fn record_trace_result<T>(trace: &DeployTrace, result: &Result<T, DeployError>) {
    match result {
        Ok(_) => trace.set_result(PipelineResult::Success),
        Err(DeployError::Cancelled(_)) => trace.set_result(PipelineResult::Cancellation),
        Err(DeployError::DryRun) => trace.set_result(PipelineResult::Skip),
        Err(error) => trace.record_failure(error),
    }
}
