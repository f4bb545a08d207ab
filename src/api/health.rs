//! `/healthz`: the process answers. `/readyz`: a push could go live. `/metrics`: what Prometheus reads.
//!
//! The first is for a liveness probe: to restart slipway helps nobody when something else is away. The second says what is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// Whether a push could go live now, and if not, why.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Condition>>);

#[derive(Debug, Default)]
struct Condition {
    started: bool,
    draining: bool,
    /// What slipway depends on and does not answer, in words; `None` before anybody has looked.
    away: Option<Vec<String>>,
}

impl Health {
    /// The SSH server accepts connections and the keys are known.
    pub fn set_started(&self) {
        self.condition().started = true;
        self.show();
    }

    /// The process was asked to end.
    pub fn set_draining(&self) {
        self.condition().draining = true;
        self.show();
    }

    /// What slipway depends on and does not answer.
    pub fn set_away(&self, away: Vec<String>) {
        self.condition().away = Some(away);
        self.show();
    }

    fn show(&self) {
        gauge!(metric::READY).set(f64::from(u8::from(self.readiness().is_ok())));
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn readiness(&self) -> Result<(), String> {
        let condition = self.condition();
        match (&condition.away, condition.draining, condition.started) {
            (_, true, _) => Err("draining".to_owned()),
            (None, ..) | (_, _, false) => Err("starting".to_owned()),
            (Some(away), ..) if !away.is_empty() => Err(away.join("\n")),
            (Some(_), ..) => Ok(()),
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

async fn readyz(State(health): State<Health>) -> (StatusCode, String) {
    match health.readiness() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
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
        assert_eq!(health.readiness(), Err("starting".to_owned()), "nobody has looked at what it depends on");
        health.set_away(vec!["the registry".into(), "the Engine".into()]);
        assert_eq!(health.readiness(), Err("the registry\nthe Engine".to_owned()));
        health.set_away(Vec::new());
        assert!(health.readiness().is_ok());
        health.set_draining();
        assert!(health.readiness().is_err());
    }
}
