//! Recovery of interrupted releases, which a killed gateway or a lost connection to the cluster left pending.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures_util::{StreamExt, stream};
use tracing::Instrument;

use crate::domain::{AppName, DeployTrace, PipelineResult, Progress, Target};
use crate::release::lock::{self, HolderInfo, ReleaseLock};
use crate::release::{self, PreconditionError, Recovered, RecoveryOutcome, ReleaseError, RollbackOutcome};

use super::deployer::Deployer;
use super::error::DeployError;

/// How often a recovery is tried again: for about ten minutes, because most retries are five seconds apart.
const MAX_RETRIES: usize = 120;

/// How many apps are recovered concurrently at the start.
const CONCURRENT_RECOVERIES: usize = 8;

fn retry_policy() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(MAX_RETRIES)
}

/// Turns an interrupted release that could not be undone into an error.
pub(super) fn ensure_undone(recovered: Recovered) -> Result<Recovered, DeployError> {
    let Recovered { revision, outcome } = recovered;
    match outcome {
        RollbackOutcome::RollbackFailed { error: why, .. } | RollbackOutcome::RemovalFailed(why) => {
            Err(DeployError::RecoveryFailed { revision, why })
        }
        outcome => Ok(Recovered { revision, outcome }),
    }
}

impl Deployer {
    /// Recovers the releases that an earlier process of this gateway, or a gateway that no longer exists, left pending.
    /// The apps are recovered independently of each other.
    pub async fn recover_interrupted(self: Arc<Self>) {
        let find_interrupted = || {
            let this = Arc::clone(&self);
            async move {
                let apps = this.apps.list().await?;
                let targets = apps.iter().map(|app| Target::of_app(&app.name)).collect();
                let interrupted = release::find_interrupted(&this.cluster, targets, &this.gateway).await;
                let names = apps.into_iter().map(|app| app.name);
                let names = names.filter(|app| interrupted.contains(&Target::of_app(app)));
                Ok::<_, DeployError>(names.collect::<Vec<_>>())
            }
        };
        match self.stop.run_until_cancelled(find_interrupted.retry(retry_policy())).await {
            Some(Ok(apps)) => {
                let recoveries = apps.into_iter().map(|app| Arc::clone(&self).recover_with_retries(app));
                stream::iter(recoveries).for_each_concurrent(CONCURRENT_RECOVERIES, |recovery| recovery).await;
            }
            Some(Err(error)) => {
                let error = crate::telemetry::error_chain(&error);
                tracing::error!(error, "cannot search for interrupted releases");
            }
            None => {}
        }
    }

    /// Schedules the recovery of an app whose failed release is still pending.
    pub(super) fn recover_later_if_unfinished(self: &Arc<Self>, app: &AppName, error: &ReleaseError) {
        if error.needs_recovery() {
            self.recover_later(app.clone());
        }
    }

    /// Recovers an app in the background, as soon as the cluster can be reached again. A push that comes first recovers
    /// the app itself.
    fn recover_later(self: &Arc<Self>, app: AppName) {
        tokio::spawn(Arc::clone(self).recover_with_retries(app).in_current_span());
    }

    async fn recover_with_retries(self: Arc<Self>, app: AppName) {
        let attempt = || {
            let (this, app) = (Arc::clone(&self), app.clone());
            async move { Box::pin(this.recover_app(&app)).await }
        };
        // `LockError::Held` is retried as well: the holder may be the lost lock of the interrupted deploy.
        if let Some(Err(error)) = self.stop.run_until_cancelled(attempt.retry(retry_policy())).await {
            let error = crate::telemetry::error_chain(&error);
            tracing::error!(%app, error, "cannot recover an interrupted release");
        }
    }

    async fn recover_app(&self, app: &AppName) -> Result<(), DeployError> {
        let lock = lock::acquire(&self.cluster, &Target::of_app(app), &self.gateway, &HolderInfo::default()).await?;
        let trace = DeployTrace::recovery(app);
        let outcome = trace.scope(self.recover_locked(app, &lock)).await;
        lock.release().await;
        let recovered = match outcome? {
            RecoveryOutcome::Recovered(recovered) => recovered,
            RecoveryOutcome::Completed(revision) => {
                trace.set_result(PipelineResult::Success);
                tracing::info!(%app, %revision, "completed an interrupted release that was ready");
                return Ok(());
            }
            RecoveryOutcome::Clean(_) => {
                trace.set_result(PipelineResult::Skip);
                return Ok(());
            }
        };
        let recovered = ensure_undone(recovered).inspect_err(|error| trace.record_failure(error))?;
        let Recovered { revision, outcome } = recovered;
        trace.set_result(PipelineResult::Success);
        tracing::info!(%app, %revision, %outcome, "recovered an interrupted release");
        Ok(())
    }

    /// Recovers the app, and logs the progress.
    async fn recover_locked(&self, app: &AppName, lock: &ReleaseLock) -> Result<RecoveryOutcome, PreconditionError> {
        let (progress, mut events) = Progress::channel();
        let recovery = async {
            let progress = progress;
            release::recover(&self.cluster, lock, self.settings.rollout_limits, &progress).await
        };
        let log = async {
            while let Some(event) = events.recv().await {
                tracing::debug!(%app, ?event, "recovery progress");
            }
        };
        tokio::join!(recovery, log).0
    }
}
