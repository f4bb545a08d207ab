//! The image pull Secrets of the apps.

use futures_util::{StreamExt, stream};

use super::deployer::Deployer;
use super::error::DeployError;
use crate::apps::{AppsError, PullSecret};
use crate::domain::AppName;
use crate::telemetry::error_chain;

/// How many pull Secrets are written concurrently.
const CONCURRENT_WRITES: usize = 8;

enum PullSecretUpdate {
    Written,
    /// The app has no pull Secret for this registry.
    NotNeeded,
}

/// Not every pull Secret could be updated.
pub(super) enum UpdateError {
    List(AppsError),
    Apps(Vec<(AppName, DeployError)>),
}

impl UpdateError {
    pub fn log(&self) {
        match self {
            Self::List(error) => {
                tracing::warn!(error = error_chain(error), "cannot update the pull Secrets: listing the apps failed");
            }
            Self::Apps(failures) => {
                for (app, error) in failures {
                    tracing::warn!(%app, error = error_chain(error), "cannot update the pull Secret");
                }
            }
        }
    }
}

impl Deployer {
    /// Writes the image pull Secret into the app's namespace, if the registry needs credentials.
    pub(super) async fn write_pull_secret(&self, app: &AppName) -> Result<(), DeployError> {
        let mut written = None;
        // Writes again if the password changed during the write: the last write must not store the old password.
        while let Some(config) = self.registry.pull_config().filter(|config| Some(config) != written.as_ref()) {
            let secret = PullSecret { registry: self.registry.pull_address().host(), config: &config };
            self.apps.write_pull_secret(app, &secret).await?;
            written = Some(config);
        }
        Ok(())
    }

    /// Updates all existing pull Secrets. Returns their number.
    pub(super) async fn update_pull_secrets(&self) -> Result<usize, UpdateError> {
        let apps = self.apps.list().await.map_err(UpdateError::List)?;
        let updates = apps.into_iter().map(|app| self.update_pull_secret(app.name));
        let updated: Vec<_> = stream::iter(updates).buffer_unordered(CONCURRENT_WRITES).collect().await;
        let (mut count, mut failures) = (0, Vec::new());
        for (app, update) in updated {
            match update {
                Ok(PullSecretUpdate::Written) => count += 1,
                Ok(PullSecretUpdate::NotNeeded) => {}
                Err(error) => failures.push((app, error)),
            }
        }
        if failures.is_empty() { Ok(count) } else { Err(UpdateError::Apps(failures)) }
    }

    async fn update_pull_secret(&self, app: AppName) -> (AppName, Result<PullSecretUpdate, DeployError>) {
        let registry = self.registry.pull_address().host();
        let updated = match self.apps.has_pull_secret_for(&app, registry).await {
            // Without permissions in the namespace, slipway has never deployed the app. Its first deploy writes the
            // Secret.
            Ok(false) | Err(AppsError::Refused { code: 403, .. }) => Ok(PullSecretUpdate::NotNeeded),
            Ok(true) => self.write_pull_secret(&app).await.map(|()| PullSecretUpdate::Written),
            Err(error) => Err(error.into()),
        };
        (app, updated)
    }
}
