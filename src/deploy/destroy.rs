//! The deletion of an app from the cluster and the registry. The SSH command deletes the repository.

use std::net::SocketAddr;

use tracing::Instrument;

use crate::apps::DeletionOutcome;
use crate::auth::PushGrant;
use crate::domain::{AppName, Progress, Target};
use crate::release;
use crate::release::lock::{self, HolderInfo, ReleaseLock};

use super::deployer::Deployer;
use super::error::DeployError;

impl Deployer {
    /// Uninstalls the app's release, deletes its images from the registry, and deletes or releases its namespace.
    ///
    /// # Errors
    /// [`DeployError::Lock`] if a deploy of the app holds the lock; [`DeployError::App`] if the namespace cannot be
    /// deleted. An object that cannot be deleted is reported as progress, and is deleted with the namespace.
    pub async fn destroy(
        &self,
        grant: &PushGrant,
        remote: SocketAddr,
        progress: &Progress,
    ) -> Result<DeletionOutcome, DeployError> {
        let (app, user) = (grant.app(), grant.user());
        let span = tracing::info_span!("destroy", deploy_id = %uuid::Uuid::new_v4(), %app, %user, %remote);
        self.delete_app(grant, progress).instrument(span).await
    }

    async fn delete_app(&self, grant: &PushGrant, progress: &Progress) -> Result<DeletionOutcome, DeployError> {
        let (app, target) = (grant.app(), Target::of_app(grant.app()));
        let holder = HolderInfo { user: Some(grant.user().clone()), commit: None };
        self.apps.bind_role(app).await?;
        let lock = lock::acquire(&self.cluster, &target, &self.gateway, &holder).await?;
        progress.start_stage(format!("Removing the release of {app}")).await;
        self.uninstall(app, &lock, progress).await;
        progress.start_stage(format!("Removing the namespace {app}")).await;
        // The Lease of the lock is in the namespace and is deleted with it.
        lock.release().await;
        let deletion = self.apps.delete(app).await;
        match &deletion {
            Ok(DeletionOutcome::Deleted) => tracing::info!("deleted the app"),
            Ok(DeletionOutcome::Released) => {
                tracing::info!("deleted the app and released its namespace");
                lock::delete_lease(&self.cluster, &target).await;
                self.apps.delete_pull_secret(app).await?;
                self.apps.unbind_role(app).await?;
            }
            Err(error) => tracing::warn!(error = crate::telemetry::error_chain(error), "cannot delete the namespace"),
        }
        Ok(deletion?)
    }

    async fn uninstall(&self, app: &AppName, lock: &ReleaseLock, progress: &Progress) {
        match release::uninstall(&self.cluster, lock, progress).await {
            Ok(images) => self.delete_images(app, images).await,
            Err(error) => {
                tracing::warn!(error = crate::telemetry::error_chain(&error), "cannot uninstall the whole release");
                progress.log(format!("the release was not removed completely: {error}")).await;
            }
        }
    }
}
