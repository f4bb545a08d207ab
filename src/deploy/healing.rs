//! Releases that a killed gateway left behind.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tracing::Instrument;

use crate::domain::{AppName, Progress};
use crate::release::lock::{self, LockNote};
use crate::release::{self, Aftermath, Healed};

use super::{DeployError, Deployer};

/// How often it is tried, five seconds apart: for about ten minutes.
const HEAL_ATTEMPTS: usize = 120;

impl Deployer {
    /// Heals what an earlier process of this gateway, or a gateway that is gone, left locked or
    /// pending. An app that cannot be healed is logged and does not hold up the others; its next
    /// push tries again.
    pub async fn heal_interrupted(&self) {
        let apps = match release::interrupted(&self.cluster, &self.gateway).await {
            Ok(apps) => apps,
            Err(error) => {
                return tracing::error!(error = crate::telemetry::chain(&error), "cannot look for interrupted deploys");
            }
        };
        for app in apps {
            if let Err(error) = self.heal(&app).await {
                tracing::error!(%app, error = crate::telemetry::chain(&error), "cannot heal an interrupted deploy");
            }
        }
    }

    /// Heals an app whose deploy lost the cluster on the way, as soon as the cluster is back; until then its release
    /// is neither live nor undone. A push that comes first does the same.
    pub(super) fn heal_later(self: &Arc<Self>, app: AppName) {
        let this = Arc::clone(self);
        let healing = async move {
            let backoff = ExponentialBuilder::default()
                .with_jitter()
                .with_min_delay(Duration::from_secs(1))
                .with_max_delay(Duration::from_secs(5))
                .with_max_times(HEAL_ATTEMPTS);
            let attempt = || {
                let (this, app) = (Arc::clone(&this), app.clone());
                async move { Box::pin(this.heal(&app)).await }
            };
            // Busy is worth another attempt too: it may be the lost lock itself, which was not released yet.
            if let Some(Err(error)) = this.stop.run_until_cancelled(attempt.retry(backoff)).await {
                tracing::error!(%app, error = crate::telemetry::chain(&error), "cannot heal an interrupted deploy");
            }
        };
        tokio::spawn(healing.in_current_span());
    }

    async fn heal(&self, app: &AppName) -> Result<(), DeployError> {
        let lock = lock::acquire(&self.cluster, app, &self.gateway, &LockNote::default()).await?;
        let (progress, mut events) = Progress::channel();
        let heal = async {
            let healed = release::heal(&self.cluster, &lock, &progress).await;
            drop(progress);
            healed
        };
        let log = async {
            while let Some(event) = events.recv().await {
                tracing::debug!(%app, ?event, "healing");
            }
        };
        let (healed, ()) = tokio::join!(heal, log);
        lock.release().await;
        if let Some(Healed { revision, outcome }) = healed? {
            match outcome {
                Aftermath::NotRolledBack { .. } | Aftermath::NotRemoved(_) => {
                    tracing::error!(%app, %revision, %outcome, "an interrupted deploy was not undone");
                }
                _ => tracing::info!(%app, %revision, %outcome, "healed an interrupted deploy"),
            }
        }
        Ok(())
    }
}
