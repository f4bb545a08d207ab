//! Deletes images that no release uses when the registry is full.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable};

use super::deployer::Deployer;
use super::error::DeployError;
use crate::domain::{AppName, AppOwner, Digest, Target};
use crate::registry::RegistryError;
use crate::release;
use crate::release::lock::{self, HolderInfo, LockError};

/// How often a held lock is tried again, once per [`LOCK_RETRY_DELAY`]: the push that found the registry full still
/// holds the lock of its own app for a moment.
const MAX_LOCK_RETRIES: usize = 10;
const LOCK_RETRY_DELAY: Duration = Duration::from_secs(1);

impl Deployer {
    /// Starts to reclaim space in the background if the deploy failed because the registry is full and slipway runs the
    /// registry's garbage collection. Returns whether it did.
    pub(super) fn reclaim_space_if_full(self: &Arc<Self>, error: &DeployError) -> bool {
        let full = matches!(error, DeployError::Registry(RegistryError::Full(..)));
        let can_reclaim = full && self.registry.garbage_collector().is_some();
        if can_reclaim {
            tokio::spawn(Arc::clone(self).reclaim_space());
        }
        can_reclaim
    }

    async fn reclaim_space(self: Arc<Self>) {
        tracing::warn!("the registry is full: deleting images that no release uses");
        if let Err(error) = self.delete_unreferenced_images().await {
            let error = crate::telemetry::error_chain(&error);
            tracing::error!(error, "cannot delete all images that no release uses");
        }
        self.registry.collect_garbage_now();
    }

    async fn delete_unreferenced_images(&self) -> Result<(), DeployError> {
        for app in self.registry.list_apps().await? {
            if let Err(error) = self.delete_unreferenced_images_of(&app).await {
                let error = crate::telemetry::error_chain(&error);
                tracing::warn!(%app, error, "cannot find the unreferenced images of an app: its images are kept");
            }
        }
        Ok(())
    }

    /// Deletes the images of an app: all of them only if the app has no namespace. A namespace that is foreign or cannot be
    /// read may run any of the images, which are kept.
    ///
    /// The images are listed before the namespace is read: a deploy claims the namespace before it pushes an image, so
    /// every listed image belongs to an app that has a namespace by then, or had one.
    async fn delete_unreferenced_images_of(&self, app: &AppName) -> Result<(), DeployError> {
        let images = self.registry.list_tagged_images(app).await?;
        match self.apps.find_owner(app).await? {
            AppOwner::User(_) => self.delete_if_unreferenced(app, images).await?,
            AppOwner::None => self.delete_images(app, images.into_iter().collect()).await,
            AppOwner::OtherInstallation(_) | AppOwner::Foreign => {}
        }
        Ok(())
    }

    /// Deletes the images that no release record names. The lock excludes a deploy that has pushed an image and not
    /// recorded it yet, and one that pushes the same image again: a build of the same files has the same digest.
    pub(super) async fn delete_if_unreferenced(
        &self,
        app: &AppName,
        images: BTreeSet<Digest>,
    ) -> Result<(), DeployError> {
        self.apps.bind_role(app).await?;
        let (target, holder) = (Target::of_app(app), HolderInfo::default());
        let acquire = || lock::acquire(&self.cluster, &target, &self.gateway, &holder);
        let policy = ConstantBuilder::default().with_delay(LOCK_RETRY_DELAY).with_max_times(MAX_LOCK_RETRIES);
        let lock = acquire.retry(policy).when(|error| matches!(error, LockError::Held(_))).await?;
        let deletion = async {
            let unreferenced = release::unreferenced_images(&self.cluster, &lock, images).await?;
            lock.guard(self.delete_images(app, unreferenced.into_iter().collect())).await?;
            Ok(())
        };
        let deleted = deletion.await;
        lock.release().await;
        deleted
    }
}
