//! Releases that a killed gateway left behind.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures_util::{StreamExt, stream};
use tracing::Instrument;

use crate::domain::{AppName, Outcome, Progress, Trace};
use crate::release::lock::{self, LockNote};
use crate::release::{self, Aftermath, Healed, Health, ReleaseError};

use super::{DeployError, Deployer};

/// How often it is tried, five seconds apart: for about ten minutes.
const ATTEMPTS: usize = 120;

/// How many apps are healed concurrently at the start.
const AT_ONCE: usize = 8;

fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(ATTEMPTS)
}

/// What was healed, unless it could not be undone.
pub(super) fn undone(healed: Healed) -> Result<Healed, DeployError> {
    let Healed { revision, outcome } = healed;
    match outcome {
        Aftermath::NotRolledBack { why, .. } | Aftermath::NotRemoved(why) => {
            Err(DeployError::NotHealed { revision, why })
        }
        outcome => Ok(Healed { revision, outcome }),
    }
}

impl Deployer {
    /// Heals what an earlier process of this gateway, or a gateway that is gone, left half done. An app that cannot be
    /// healed does not hold up the others.
    pub async fn heal_interrupted(self: Arc<Self>) {
        let look = || {
            let this = Arc::clone(&self);
            async move {
                let apps = this.apps.list().await?.into_iter().map(|app| app.name).collect();
                Ok::<_, DeployError>(release::interrupted(&this.cluster, apps, &this.gateway).await)
            }
        };
        match self.stop.run_until_cancelled(look.retry(patience())).await {
            Some(Ok(apps)) => {
                let healing = apps.into_iter().map(|app| Arc::clone(&self).heal_patiently(app));
                stream::iter(healing).for_each_concurrent(AT_ONCE, |healing| healing).await;
            }
            Some(Err(error)) => {
                tracing::error!(error = crate::telemetry::chain(&error), "cannot look for interrupted deploys");
            }
            None => {}
        }
    }

    /// Has an app healed later if the failure of its release left something to undo.
    pub(super) fn heal_what_is_left(self: &Arc<Self>, app: &AppName, error: &ReleaseError) {
        if error.is_unfinished() {
            self.heal_later(app.clone());
        }
    }

    /// Heals an app whose deploy lost the cluster on the way, as soon as the cluster is back; until then its release
    /// is neither live nor undone. A push that comes first does the same.
    fn heal_later(self: &Arc<Self>, app: AppName) {
        tokio::spawn(Arc::clone(self).heal_patiently(app).in_current_span());
    }

    async fn heal_patiently(self: Arc<Self>, app: AppName) {
        let attempt = || {
            let (this, app) = (Arc::clone(&self), app.clone());
            async move { Box::pin(this.heal(&app)).await }
        };
        // Busy is worth another attempt too: it may be the lost lock itself, which was not released yet.
        if let Some(Err(error)) = self.stop.run_until_cancelled(attempt.retry(patience())).await {
            tracing::error!(%app, error = crate::telemetry::chain(&error), "cannot heal an interrupted deploy");
        }
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
        let trace = Trace::heal(app);
        let (healed, ()) = trace.follow(async { tokio::join!(heal, log) }).await;
        lock.release().await;
        let Health::Healed(healed) = healed? else {
            trace.end(Outcome::Skip);
            return Ok(());
        };
        let Healed { revision, outcome } = undone(healed).inspect_err(|error| trace.fail(error))?;
        trace.end(Outcome::Success);
        tracing::info!(%app, %revision, %outcome, "healed an interrupted deploy");
        Ok(())
    }
}
