//! Making room in a registry that is full: what no release names is removed from it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable};

use super::{DeployError, Deployer};
use crate::apps::Ownership;
use crate::domain::{AppName, Digest};
use crate::registry::RegistryError;
use crate::release;
use crate::release::lock::{self, LockError, LockNote};

/// How often an app is tried that somebody deploys, a second apart. The push that found the registry full still has its lock.
const ATTEMPTS: usize = 10;

impl Deployer {
    /// Makes room in the registry if that is what an image failed for, and slipway sees to its garbage. True if it does.
    pub(super) fn make_room_after(self: &Arc<Self>, error: &DeployError) -> bool {
        let full = matches!(error, DeployError::Registry(RegistryError::Full(..)));
        let makes_room = full && self.registry.collection().is_some();
        if makes_room {
            tokio::spawn(Arc::clone(self).make_room());
        }
        makes_room
    }

    async fn make_room(self: Arc<Self>) {
        tracing::warn!("the registry is full: what no release names is removed from it");
        if let Err(error) = self.sweep().await {
            tracing::error!(error = crate::telemetry::chain(&error), "not all that could go was removed");
        }
        self.registry.collect_now();
    }

    async fn sweep(&self) -> Result<(), DeployError> {
        for app in self.registry.apps().await? {
            match self.removable(&app).await {
                Ok(images) => self.forget(&app, images.into_iter().collect()).await,
                Err(error) => tracing::warn!(%app, error = crate::telemetry::chain(&error), "its images are kept"),
            }
        }
        Ok(())
    }

    /// The images of an app that may go: all of them only where its namespace is known to be gone. One that is there and
    /// not slipway's, or cannot be looked at, may run what nobody knows of. The registry is asked first: what is in it by
    /// then belongs to an app that has a namespace by then, or had one.
    async fn removable(&self, app: &AppName) -> Result<BTreeSet<Digest>, DeployError> {
        let images = self.registry.tagged(app).await?;
        match self.apps.ownership(app).await? {
            Ownership::Owned(_) => self.unnamed(app, images).await,
            Ownership::Unknown => Ok(images),
            Ownership::Foreign => Ok(BTreeSet::new()),
        }
    }

    /// Those that no record names. The lock keeps a deploy away that has pushed an image and not recorded it yet.
    async fn unnamed(&self, app: &AppName, images: BTreeSet<Digest>) -> Result<BTreeSet<Digest>, DeployError> {
        self.apps.take_rights(app).await?;
        let note = LockNote::default();
        let take = || lock::acquire(&self.cluster, app, &self.gateway, &note);
        let patience = ConstantBuilder::default().with_delay(Duration::from_secs(1)).with_max_times(ATTEMPTS);
        let lock = take.retry(patience).when(|error| matches!(error, LockError::Busy(_))).await?;
        let unnamed = release::unnamed(&self.cluster, &lock, images).await;
        lock.release().await;
        Ok(unnamed?)
    }
}
