//! The deletion of an app from the cluster and the registry. The service deletes the repository.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;
use tracing::Instrument;

use crate::apps::DeletionOutcome;
use crate::auth::PushGrant;
use crate::build;
use crate::domain::{AppName, Progress, Target};
use crate::release::lock::{self, HolderInfo, ReleaseLock};
use crate::release::{self, StepError};

use super::deployer::Deployer;
use super::error::DeployError;
use super::preflight::claim;

/// How long the Engine may take to remove the image of a deleted app.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(10);

impl Deployer {
    /// Uninstalls the app's release, deletes its images from the registry, and deletes or releases its namespace.
    ///
    /// # Errors
    /// [`DeployError::Lock`] if a deploy of the app holds the lock, or this deletion lost it; [`DeployError::App`] if the
    /// namespace cannot be deleted. An object that cannot be deleted is reported as progress, and is deleted with the
    /// namespace; [`DeployError::NotUninstalled`] if the namespace was adopted and remains.
    pub async fn destroy(
        &self,
        grant: &PushGrant,
        remote: SocketAddr,
        progress: &Progress,
    ) -> Result<DeletionOutcome, DeployError> {
        let (app, user) = (grant.app(), grant.user());
        let span = tracing::info_span!("destroy", deploy_id = %uuid::Uuid::new_v4(), %app, %user, %remote);
        Box::pin(self.delete_app(grant, progress)).instrument(span).await
    }

    async fn delete_app(&self, grant: &PushGrant, progress: &Progress) -> Result<DeletionOutcome, DeployError> {
        let (app, target) = (grant.app(), Target::of_app(grant.app()));
        let holder = HolderInfo { user: Some(grant.user().clone()), commit: None };
        // In this order: the namespace with this UID is the one that the user may delete.
        let namespace = self.apps.namespace_uid(app).await?;
        self.apps.check_claim(&claim(grant)).await?;
        self.apps.bind_role(app).await?;
        let lock = lock::acquire(&self.cluster, &target, &self.gateway, &holder).await?;
        progress.start_stage(format!("Removing the release of {app}")).await;
        if let Err(error) = self.uninstall(app, &lock, progress).await {
            tracing::warn!(error = crate::telemetry::error_chain(&error), "cannot uninstall the whole release");
            if self.apps.is_adopted(app).await? {
                lock.release().await;
                return Err(DeployError::NotUninstalled { app: app.clone(), why: Box::new(error) });
            }
            progress.log(format!("the release was not removed completely: {error}")).await;
        }
        lock.guard(self.delete_all_images(app)).await?;
        progress.start_stage(format!("Removing the namespace {app}")).await;
        let deletion = self.delete_namespace(app, namespace.as_deref(), lock).await;
        self.remove_local_image(app).await;
        match &deletion {
            Ok(DeletionOutcome::Deleted) => tracing::info!("deleted the app"),
            Ok(DeletionOutcome::Released) => tracing::info!("deleted the app and released its namespace"),
            Err(error) => tracing::warn!(error = crate::telemetry::error_chain(error), "cannot delete the namespace"),
        }
        let outcome = deletion?;
        if outcome == DeletionOutcome::Released {
            lock::delete_lease(&self.cluster, &target).await;
            self.apps.delete_secrets(app).await?;
            self.apps.unbind_role(app).await?;
        }
        Ok(outcome)
    }

    /// Holds the lock until the API server has accepted the deletion. If the lock were free before, a deploy could take
    /// it and go live in a namespace that is about to be deleted. A deploy that takes the lock afterwards fails: in a
    /// terminating namespace no record of a new revision can be created.
    async fn delete_namespace(
        &self,
        app: &AppName,
        uid: Option<&str>,
        lock: ReleaseLock,
    ) -> Result<DeletionOutcome, DeployError> {
        // A lost lock may be another deploy's by now.
        lock.check()?;
        let accepted = self.apps.start_deletion(app, uid).await;
        // The Lease is in the namespace, and is deleted with it. Releasing the lock spares other deploys the wait for that.
        lock.release().await;
        Ok(self.apps.finish_deletion(app, accepted?).await?)
    }

    /// A failure is only logged: the app is deleted, even if the Engine cannot be reached.
    async fn remove_local_image(&self, app: &AppName) {
        match timeout(ENGINE_TIMEOUT, build::remove_app_image(&self.engine, app)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = crate::telemetry::error_chain(&error);
                tracing::warn!(%app, error, "cannot remove the image of a deleted app from the Engine");
            }
            Err(_) => tracing::warn!(%app, "the Engine did not remove the image of a deleted app in time"),
        }
    }

    /// Deletes the app's images that no record names: someone may have deleted records by hand. A failure is only logged.
    async fn delete_all_images(&self, app: &AppName) {
        match self.registry.list_tagged_images(app).await {
            Ok(images) => self.delete_images(app, images.into_iter().collect()).await,
            Err(error) => {
                let error = crate::telemetry::error_chain(&error);
                tracing::warn!(%app, error, "cannot list the images of a deleted app: they stay in the registry");
            }
        }
    }

    async fn uninstall(&self, app: &AppName, lock: &ReleaseLock, progress: &Progress) -> Result<(), StepError> {
        let images = Box::pin(release::uninstall(&self.cluster, lock, progress)).await?;
        self.delete_images(app, images).await;
        Ok(())
    }
}
