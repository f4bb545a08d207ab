//! Whether the API server answers, as far as slipway's own requests show: nobody has to ask for that alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Kept by all requests of a client.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<AtomicBool>);

impl Pulse {
    /// Whether the last request had an answer that is no server's error.
    pub fn is_felt(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn keep(&self, answered: bool) {
        self.0.store(answered, Ordering::Relaxed);
    }
}
