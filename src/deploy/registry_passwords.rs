//! The registry's passwords, which may change while slipway runs.

use std::sync::Arc;
use std::time::Duration;

use super::deployer::Deployer;

/// Time between reads of the password files. The kubelet updates a mounted Secret within about a minute.
const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// The result of the last read of the password files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PasswordRead {
    Unchanged,
    Changed,
    /// Repeated errors are logged once.
    Failed,
}

/// The image pull Secrets of all apps, compared with the current password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PullSecrets {
    UpToDate,
    Stale,
    /// An update failed, and its errors are logged: repeated errors are logged once.
    StillStale,
}

impl Deployer {
    /// Watches the registry's password files until shutdown.
    pub async fn watch_registry_passwords(self: Arc<Self>) {
        if self.registry.has_passwords() {
            let this = Arc::clone(&self);
            self.stop.run_until_cancelled(async move { this.poll_passwords().await }).await;
        }
    }

    async fn poll_passwords(&self) {
        // The password may have changed while slipway was not running.
        let (mut read, mut secrets) = (PasswordRead::Unchanged, PullSecrets::Stale);
        loop {
            read = self.reload_passwords(read).await;
            if read == PasswordRead::Changed {
                secrets = PullSecrets::Stale;
            }
            if secrets != PullSecrets::UpToDate && self.registry.has_pull_secret() {
                secrets = self.refresh_pull_secrets(secrets).await;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn reload_passwords(&self, previous: PasswordRead) -> PasswordRead {
        match self.registry.reload_passwords().await {
            Ok(false) => PasswordRead::Unchanged,
            Ok(true) => {
                tracing::info!("a registry password has changed");
                PasswordRead::Changed
            }
            Err(error) => {
                if previous != PasswordRead::Failed {
                    let error = crate::telemetry::error_chain(&error);
                    tracing::error!(error, "cannot read the registry passwords: the previous passwords stay in use");
                }
                PasswordRead::Failed
            }
        }
    }

    async fn refresh_pull_secrets(&self, previous: PullSecrets) -> PullSecrets {
        match self.update_pull_secrets().await {
            Ok(apps) => {
                tracing::info!(apps, "the pull Secrets are up to date");
                PullSecrets::UpToDate
            }
            Err(error) => {
                if previous != PullSecrets::StillStale {
                    error.log();
                }
                PullSecrets::StillStale
            }
        }
    }
}
