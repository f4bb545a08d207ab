//! Releases that a killed gateway left behind.

use std::sync::Arc;

use crate::domain::{AppName, CommitSha, Progress, UserName};
use crate::release::{self, LockNote};

use super::{DeployError, Deployer};

impl Deployer {
    /// Heals what an earlier process of this gateway, or a gateway that is gone, left locked or
    /// pending. An app that cannot be healed is logged and does not hold up the others; its next
    /// push tries again.
    pub async fn heal_abandoned(self: &Arc<Self>) {
        let apps = match release::abandoned(&self.cluster, &self.gateway).await {
            Ok(apps) => apps,
            Err(error) => {
                return tracing::error!(error = crate::telemetry::chain(&error), "cannot look for interrupted deploys");
            }
        };
        for app in apps {
            match self.heal(&app).await {
                Ok(()) => tracing::info!(%app, "healed an interrupted deploy"),
                Err(error) => tracing::error!(%app, error = crate::telemetry::chain(&error), "cannot heal an interrupted deploy"),
            }
        }
    }

    async fn heal(&self, app: &AppName) -> Result<(), DeployError> {
        let lock = release::acquire(&self.cluster, app, &self.gateway, &LockNote::healing()).await?;
        let (progress, mut events) = Progress::channel();
        let heal = async {
            let healed = release::heal(&self.cluster, &lock, app, &progress).await;
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
        healed?;
        Ok(())
    }
}
