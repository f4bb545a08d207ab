//! What deploys leave in the metrics.

use metrics::{counter, gauge, histogram};
use tokio::time::Instant;

use crate::domain::metric as names;

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
    pub async fn timed<T>(self, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let result = work.await;
        histogram!(names::PHASE_SECONDS, "phase" => self.as_str()).record(began.elapsed());
        result
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
