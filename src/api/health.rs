//! `/healthz`: the process answers. `/readyz`: pushes are accepted. `/metrics`: what Prometheus reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics::gauge;

use crate::domain::metric;
use crate::telemetry::metrics::Metrics;

/// The text format that Prometheus reads.
const EXPOSITION: &str = "text/plain; version=0.0.4";

/// Whether the gateway takes pushes, and if not, why.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    started: AtomicBool,
    draining: AtomicBool,
}

impl Health {
    /// The SSH server accepts connections and the keys are known.
    pub fn set_started(&self) {
        self.0.started.store(true, Ordering::Release);
        self.show();
    }

    /// The process was asked to end.
    pub fn set_draining(&self) {
        self.0.draining.store(true, Ordering::Release);
        self.show();
    }

    fn show(&self) {
        gauge!(metric::READY).set(f64::from(u8::from(self.readiness().is_ok())));
    }

    fn readiness(&self) -> Result<&'static str, &'static str> {
        match (self.0.draining.load(Ordering::Acquire), self.0.started.load(Ordering::Acquire)) {
            (true, _) => Err("draining\n"),
            (false, false) => Err("starting\n"),
            (false, true) => Ok("ready\n"),
        }
    }
}

/// The routes.
pub fn router(health: Health, metrics: Option<Metrics>) -> Router {
    let router = Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(readyz)).with_state(health);
    match metrics {
        Some(metrics) => router.route("/metrics", get(async move || ([(CONTENT_TYPE, EXPOSITION)], metrics.render()))),
        None => router,
    }
}

async fn readyz(State(health): State<Health>) -> (StatusCode, &'static str) {
    match health.readiness() {
        Ok(text) => (StatusCode::OK, text),
        Err(text) => (StatusCode::SERVICE_UNAVAILABLE, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_ready_between_its_start_and_its_drain() {
        let health = Health::default();
        assert!(health.readiness().is_err());
        health.set_started();
        assert!(health.readiness().is_ok());
        health.set_draining();
        assert!(health.readiness().is_err());
    }
}
