//! The endpoints `/healthz`, `/readyz` and `/metrics`.
//!
//! `/healthz` is for a liveness probe and does not depend on other services: a restart of slipway would not bring them back.
//! `/readyz` lists the unavailable services.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics::gauge;

use crate::domain::metric_names;
use crate::telemetry::metrics::PrometheusHandle;

/// Prometheus' text format.
const EXPOSITION_FORMAT: &str = "text/plain; version=0.0.4";

/// Whether slipway is ready to accept pushes, and the reason if not. All clones share the state.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<ReadinessState>>);

#[derive(Debug, Default)]
struct ReadinessState {
    started: bool,
    draining: bool,
    /// A sentence for each unavailable service; `None` before the first check.
    unavailable: Option<Vec<String>>,
}

impl Readiness {
    pub fn set_started(&self) {
        self.state().started = true;
        self.export_metric();
    }

    pub fn set_draining(&self) {
        self.state().draining = true;
        self.export_metric();
    }

    /// Takes a sentence for each unavailable service.
    pub fn set_unavailable(&self, unavailable: Vec<String>) {
        self.state().unavailable = Some(unavailable);
        self.export_metric();
    }

    fn export_metric(&self) {
        gauge!(metric_names::READY).set(f64::from(u8::from(self.check().is_ok())));
    }

    fn state(&self) -> MutexGuard<'_, ReadinessState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<(), String> {
        let state = self.state();
        match (&state.unavailable, state.draining, state.started) {
            (_, true, _) => Err("draining".to_owned()),
            (None, ..) | (_, _, false) => Err("starting".to_owned()),
            (Some(unavailable), ..) if !unavailable.is_empty() => Err(unavailable.join("\n")),
            (Some(_), ..) => Ok(()),
        }
    }
}

pub fn router(readiness: Readiness, metrics: Option<PrometheusHandle>) -> Router {
    let router = Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(readyz));
    let router = router.with_state(readiness);
    match metrics {
        Some(metrics) => {
            router.route("/metrics", get(async move || ([(CONTENT_TYPE, EXPOSITION_FORMAT)], metrics.render())))
        }
        None => router,
    }
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, String) {
    match readiness.check() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_ready_after_its_start_until_it_drains() {
        let readiness = Readiness::default();
        assert!(readiness.check().is_err());
        readiness.set_started();
        assert_eq!(readiness.check(), Err("starting".to_owned()), "the services have not been checked yet");
        readiness.set_unavailable(vec!["the registry".into(), "the Engine".into()]);
        assert_eq!(readiness.check(), Err("the registry\nthe Engine".to_owned()));
        readiness.set_unavailable(Vec::new());
        assert!(readiness.check().is_ok());
        readiness.set_draining();
        assert!(readiness.check().is_err());
    }
}
