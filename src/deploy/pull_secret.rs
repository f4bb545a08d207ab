//! The registry's passwords, which may change while slipway runs, and the image pull Secrets of the apps.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::deployer::Deployer;
use super::error::DeployError;
use crate::apps::{AppsError, PullSecret};
use crate::domain::AppName;

/// Time between reads of the password files. The kubelet updates a mounted Secret within about a minute.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// How many pull Secrets are written concurrently.
const CONCURRENT_WRITES: usize = 8;

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

    /// Watches the registry's password files until shutdown.
    pub async fn watch_registry_passwords(self: Arc<Self>) {
        if self.registry.has_passwords() {
            let this = Arc::clone(&self);
            self.stop.run_until_cancelled(async move { this.poll_passwords().await }).await;
        }
    }

    async fn poll_passwords(&self) {
        // The password may have changed while slipway was not running.
        let (mut stale, mut log_errors, mut readable) = (true, true, true);
        loop {
            if self.reload_passwords(&mut readable).await {
                (stale, log_errors) = (true, true);
            }
            if stale && self.registry.has_pull_secret() {
                stale = !self.update_pull_secrets(log_errors).await;
                log_errors = false;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Reads the password files. Returns whether a password has changed. Repeated errors are logged once.
    async fn reload_passwords(&self, readable: &mut bool) -> bool {
        let read = self.registry.reload_passwords().await;
        let was_readable = std::mem::replace(readable, read.is_ok());
        match &read {
            Ok(true) => tracing::info!("a registry password has changed"),
            Err(error) if was_readable => {
                let error = crate::telemetry::error_chain(error);
                tracing::error!(error, "cannot read the registry passwords: the previous passwords stay in use");
            }
            _ => {}
        }
        matches!(read, Ok(true))
    }

    /// Updates all existing pull Secrets. Returns whether every update succeeded.
    async fn update_pull_secrets(&self, log_errors: bool) -> bool {
        let apps = match self.apps.list().await {
            Ok(apps) => apps,
            Err(error) => {
                let error = crate::telemetry::error_chain(&error);
                if log_errors {
                    tracing::warn!(error, "cannot update the pull Secrets: listing the apps failed");
                }
                return false;
            }
        };
        let updates = apps.into_iter().map(|app| self.update_pull_secret(app.name, log_errors));
        let updated: Vec<Option<bool>> = stream::iter(updates).buffer_unordered(CONCURRENT_WRITES).collect().await;
        let failed = updated.contains(&Some(false));
        if !failed {
            let apps = updated.iter().flatten().count();
            tracing::info!(apps, "the pull Secrets are up to date");
        }
        !failed
    }

    /// None if the app has no pull Secret for this registry.
    async fn update_pull_secret(&self, app: AppName, log_errors: bool) -> Option<bool> {
        let registry = self.registry.pull_address().host();
        let updated = match self.apps.has_pull_secret_for(&app, registry).await {
            // Without permissions in the namespace, slipway has never deployed the app. Its first deploy writes the
            // Secret.
            Ok(false) | Err(AppsError::Refused { code: 403, .. }) => return None,
            Ok(true) => self.write_pull_secret(&app).await,
            Err(error) => Err(error.into()),
        };
        let Err(error) = updated else { return Some(true) };
        if log_errors {
            tracing::warn!(%app, error = crate::telemetry::error_chain(&error), "cannot update the pull Secret");
        }
        Some(false)
    }
}
