//! The bound of an app's history, and of what it keeps in the registry.

use crate::domain::{AppName, Digest};
use crate::release;
use crate::release::lock::AppLock;

use super::Deployer;

impl Deployer {
    /// Removes what falls out of the app's history, and the images that only that named. What goes wrong here is no
    /// failure of the deploy; the next one does it.
    pub(super) async fn trim_history(&self, lock: &AppLock) {
        let app = lock.app();
        let images = match release::trim(&self.cluster, lock, self.settings.history_max).await {
            Ok(images) => images,
            Err(error) => {
                return tracing::warn!(%app, error = crate::telemetry::chain(&error), "cannot trim the history");
            }
        };
        self.forget(app, images).await;
    }

    /// Removes images from the registry. What it keeps is logged, and nobody's fault.
    pub(super) async fn forget(&self, app: &AppName, images: Vec<Digest>) {
        for digest in images {
            match self.registry.forget(app, &digest).await {
                Ok(true) => tracing::info!(%app, %digest, "an image that no revision names any more was removed"),
                Ok(false) => tracing::info!(%app, %digest, "the registry does not let images be deleted"),
                Err(error) => {
                    tracing::warn!(%app, %digest, error = crate::telemetry::chain(&error), "cannot remove an image");
                }
            }
        }
    }
}
