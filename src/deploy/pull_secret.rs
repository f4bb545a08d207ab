//! The registry's passwords, and what kubelets pull with: they may change while slipway runs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::{DeployError, Deployer};
use crate::apps::{AppsError, PullSecret};
use crate::domain::AppName;

/// How often the password is looked at. A kubelet takes a minute or so until a pod sees a Secret that was changed.
const LOOK: Duration = Duration::from_secs(10);
/// In how many namespaces at once it is written.
const AT_ONCE: usize = 8;

impl Deployer {
    /// Writes what kubelets need to pull into an app's namespace, if they need something.
    pub(super) async fn write_pull_secret(&self, app: &AppName) -> Result<(), DeployError> {
        let mut written = None;
        // Whoever writes last must not have written the password of a moment before.
        while let Some(config) = self.registry.pull_config().filter(|config| Some(config) != written.as_ref()) {
            let secret = PullSecret { registry: self.registry.pull_address().host(), config: &config };
            self.apps.write_pull_secret(app, &secret).await?;
            written = Some(config);
        }
        Ok(())
    }

    /// Follows the file with the registry's password, until slipway ends.
    pub async fn follow_registry_password(self: Arc<Self>) {
        if self.registry.has_passwords() {
            let this = Arc::clone(&self);
            self.stop.run_until_cancelled(async move { this.follow_password().await }).await;
        }
    }

    async fn follow_password(&self) {
        // It may have changed while no slipway ran.
        let (mut stale, mut aloud, mut readable) = (true, true, true);
        loop {
            if self.has_new_password(&mut readable).await {
                (stale, aloud) = (true, true);
            }
            if stale && self.registry.has_pull_secret() {
                stale = !self.write_pull_secrets(aloud).await;
                aloud = false;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Reads the password. That it cannot be read is said once.
    async fn has_new_password(&self, readable: &mut bool) -> bool {
        let read = self.registry.reread_passwords().await;
        let was_readable = std::mem::replace(readable, read.is_ok());
        match &read {
            Ok(true) => tracing::info!("a password of the registry has changed"),
            Err(error) if was_readable => {
                tracing::error!(error = crate::telemetry::chain(error), "the passwords from before stay in use");
            }
            _ => {}
        }
        matches!(read, Ok(true))
    }

    /// Writes the Secret anew wherever it is: true if it went well everywhere. What went wrong is said only `aloud`, which is
    /// the first time.
    async fn write_pull_secrets(&self, aloud: bool) -> bool {
        let apps = match self.apps.list().await {
            Ok(apps) => apps,
            Err(error) => {
                let error = crate::telemetry::chain(&error);
                if aloud {
                    tracing::warn!(error, "what nodes pull with is not written: the apps cannot be listed");
                }
                return false;
            }
        };
        let writing = apps.into_iter().map(|app| self.renew_pull_secret(app.name, aloud));
        let written: Vec<Option<bool>> = stream::iter(writing).buffer_unordered(AT_ONCE).collect().await;
        let failed = written.contains(&Some(false));
        if !failed {
            let apps = written.iter().flatten().count();
            tracing::info!(apps, "what nodes pull with is up to date");
        }
        !failed
    }

    /// None if there is nothing to renew.
    async fn renew_pull_secret(&self, app: AppName, aloud: bool) -> Option<bool> {
        let registry = self.registry.pull_address().host();
        let renewed = match self.apps.pulls_from(&app, registry).await {
            // without rights there, slipway has never deployed it, and whoever deploys it takes them
            Ok(false) | Err(AppsError::Refused { code: 403, .. }) => return None,
            Ok(true) => self.write_pull_secret(&app).await,
            Err(error) => Err(error.into()),
        };
        let Err(error) = renewed else { return Some(true) };
        if aloud {
            tracing::warn!(%app, error = crate::telemetry::chain(&error), "what nodes pull with is not written");
        }
        Some(false)
    }
}
