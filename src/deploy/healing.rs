//! Releases that a killed gateway left behind.

use std::sync::Arc;

use crate::domain::{AppName, Progress};
use crate::release::lock::{self, LockNote};
use crate::release::{self, Aftermath, Healed};

use super::{DeployError, Deployer};

impl Deployer {
    /// Heals what an earlier process of this gateway, or a gateway that is gone, left locked or
    /// pending. An app that cannot be healed is logged and does not hold up the others; its next
    /// push tries again.
    pub async fn heal_abandoned(self: &Arc<Self>) {
        let apps = match lock::abandoned(&self.cluster, &self.gateway).await {
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
