//! The end of an app in the cluster: its release, its images, its namespace. The repository is the front door's.

use std::net::SocketAddr;

use tracing::Instrument;

use crate::apps::Removed;
use crate::domain::Progress;
use crate::keys::PushGrant;
use crate::release;
use crate::release::lock::{self, AppLock, LockNote};

use super::{DeployError, Deployer};

impl Deployer {
    /// Removes what the cluster and the registry have of an app. A running deploy is not disturbed: it has the lock.
    ///
    /// # Errors
    /// [`DeployError::Lock`] if somebody deploys; [`DeployError::App`] if the namespace does not go. What else could not
    /// be removed is told, and goes with the namespace.
    pub async fn destroy(
        &self,
        grant: &PushGrant,
        remote: SocketAddr,
        progress: &Progress,
    ) -> Result<Removed, DeployError> {
        let (app, user) = (grant.app(), grant.user());
        let span = tracing::info_span!("destroy", deploy_id = %uuid::Uuid::new_v4(), %app, %user, %remote);
        self.remove_app(grant, progress).instrument(span).await
    }

    async fn remove_app(&self, grant: &PushGrant, progress: &Progress) -> Result<Removed, DeployError> {
        let app = grant.app();
        let note = LockNote { user: Some(grant.user().clone()), commit: None };
        self.apps.take_rights(app).await?;
        let lock = lock::acquire(&self.cluster, app, &self.gateway, &note).await?;
        progress.stage(format!("Removing the release of {app}")).await;
        self.uninstall(&lock, progress).await;
        progress.stage(format!("Removing the namespace {app}")).await;
        // The lock is in the namespace and goes with it.
        lock.release().await;
        let removed = self.apps.remove(app).await;
        match &removed {
            Ok(Removed::Deleted) => tracing::info!("the app was destroyed"),
            Ok(Removed::GivenBack) => {
                tracing::info!("the app was destroyed, and its namespace given back");
                lock::forget(&self.cluster, app).await;
                self.apps.remove_pull_secret(app).await?;
                self.apps.give_up_rights(app).await?;
            }
            Err(error) => tracing::warn!(error = crate::telemetry::chain(error), "the namespace could not be removed"),
        }
        Ok(removed?)
    }

    async fn uninstall(&self, lock: &AppLock, progress: &Progress) {
        match release::uninstall(&self.cluster, lock, progress).await {
            Ok(images) => self.forget(lock.app(), images).await,
            Err(error) => {
                tracing::warn!(error = crate::telemetry::chain(&error), "the release could not be removed as a whole");
                progress.line(format!("not all of it could be removed: {error}")).await;
            }
        }
    }
}
