//! What deploys leave in the metrics, and in traces.

use std::fmt::Display;

use metrics::{counter, gauge, histogram};
use tokio::time::Instant;

use crate::domain::{Outcome, Trace, metric as names, traced};

use super::DeployError;

/// A part of a deploy whose time is kept.
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

    /// Does the work of the phase.
    pub fn timed<T, E: Display>(self, work: impl Future<Output = Result<T, E>>) -> impl Future<Output = Result<T, E>> {
        let work = traced(self.as_str(), work);
        async move {
            let began = Instant::now();
            let result = work.await;
            histogram!(names::PHASE_SECONDS, "phase" => self.as_str()).record(began.elapsed());
            result
        }
    }
}

/// A deploy that runs; counted until the value ends.
pub(super) struct Running {
    kind: &'static str,
    began: Instant,
}

impl Running {
    /// It begins; `kind` is `push`, `redeploy` or `rollback`.
    pub fn new(kind: &'static str) -> Self {
        gauge!(names::DEPLOYS).increment(1);
        Self { kind, began: Instant::now() }
    }

    /// It has ended: how long it took, in seconds.
    pub fn ended<T, E>(self, result: &Result<T, E>) -> f64 {
        let (kind, result) = (self.kind, if result.is_ok() { "deployed" } else { "failed" });
        let seconds = self.began.elapsed().as_secs_f64();
        counter!(names::DEPLOYS_TOTAL, "kind" => kind, "result" => result).increment(1);
        histogram!(names::DEPLOY_SECONDS, "kind" => kind, "result" => result).record(seconds);
        seconds
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        gauge!(names::DEPLOYS).decrement(1);
    }
}

/// How it ended, for its trace.
pub(super) fn trace_outcome<T>(trace: &Trace, result: &Result<T, DeployError>) {
    match result {
        Ok(_) => trace.end(Outcome::Success),
        Err(DeployError::Cancelled(_)) => trace.end(Outcome::Cancellation),
        Err(DeployError::DryRun) => trace.end(Outcome::Skip),
        Err(error) => trace.fail(error),
    }
}
