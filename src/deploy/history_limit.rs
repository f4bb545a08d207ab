//! The limit of an app's history, and of its images in the registry.

use crate::domain::{AppName, Digest};
use crate::release::lock::ReleaseLock;
use crate::release::{self, ReleaseError};

use super::deployer::Deployer;

impl Deployer {
    /// Deletes the oldest revisions beyond the limit, and the images that only those revisions used. An error does not
    /// fail the deploy; the next deploy tries again.
    pub(super) async fn trim_history(&self, app: &AppName, lock: &ReleaseLock) {
        let images = match release::trim_history(&self.cluster, lock, self.settings.history_max).await {
            Ok(images) => images,
            Err(error) => {
                return tracing::warn!(%app, error = crate::telemetry::error_chain(&error), "cannot trim the history");
            }
        };
        // Once the lock is lost, another deploy may be pushing one of these images again.
        if let Err(error) = lock.guard(self.delete_images(app, images)).await {
            tracing::warn!(%app, %error, "cannot delete all images of the removed revisions");
        }
    }

    /// Trims the history after a release that failed and was undone. Otherwise, the failed revision's records tell which of
    /// its objects are in the cluster.
    pub(super) async fn trim_history_after(&self, app: &AppName, lock: &ReleaseLock, error: &ReleaseError) {
        if let ReleaseError::Failed { outcome, .. } = error
            && outcome.is_undone()
        {
            self.trim_history(app, lock).await;
        }
    }

    /// Deletes images from the registry. An image that cannot be deleted is logged.
    pub(super) async fn delete_images(&self, app: &AppName, images: Vec<Digest>) {
        for digest in images {
            match self.registry.delete_image(app, &digest).await {
                Ok(true) => tracing::info!(%app, %digest, "deleted an image that no revision uses any more"),
                Ok(false) => tracing::info!(%app, %digest, "the registry does not support the deletion of images"),
                Err(error) => {
                    let error = crate::telemetry::error_chain(&error);
                    tracing::warn!(%app, %digest, error, "cannot delete an image");
                }
            }
        }
    }
}
