//! The health of the API server, taken from slipway's own requests, so that no health check has to poll it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Recorded by every request of a client. Clones share the state.
#[derive(Debug, Clone, Default)]
pub struct ApiHealth(Arc<AtomicBool>);

impl ApiHealth {
    /// Whether the last request got a response with a status below 500.
    pub fn is_healthy(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn record(&self, succeeded: bool) {
        self.0.store(succeeded, Ordering::Relaxed);
    }
}
