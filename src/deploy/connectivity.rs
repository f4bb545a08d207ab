//! Checks at the start that the Engine can reach the registry.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use super::deployer::Deployer;
use super::error::DeployError;
use crate::registry::RegistryError;

/// Retries for about a minute: a registry or an Engine that is deployed together with slipway may start later.
fn retry_policy() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(10))
        .with_max_times(8)
}

impl Deployer {
    /// Sends a request to the registry from the Engine.
    ///
    /// # Errors
    /// [`DeployError::Build`] if the Engine does not answer, [`DeployError::Registry`] if the registry does not
    /// answer the Engine.
    pub(super) async fn check_engine_reaches_registry(&self) -> Result<(), DeployError> {
        let docker = self.engine.client().await?;
        Ok(self.registry.check_from_engine(&docker).await?)
    }

    /// Logs whether the Engine can reach the registry.
    pub async fn report_engine_connectivity(self: Arc<Self>) {
        let check = || {
            let this = Arc::clone(&self);
            async move { this.check_engine_reaches_registry().await }
        };
        let checked = check.retry(retry_policy()).when(is_transient);
        match self.stop.run_until_cancelled(checked).await {
            Some(Ok(())) => tracing::info!("the Engine reaches the registry"),
            Some(Err(error)) => {
                let (flags, error) = (flags_to_check(&error), crate::telemetry::error_chain(&error));
                tracing::error!(flags, error, "the Engine cannot use the registry: pushes will fail; check the flags");
            }
            None => {}
        }
    }
}

fn is_credentials_rejected(error: &DeployError) -> bool {
    matches!(error, DeployError::Registry(RegistryError::CredentialsRejected(..)))
}

fn is_transient(error: &DeployError) -> bool {
    !is_credentials_rejected(error)
}

/// The flags that may be wrong.
fn flags_to_check(error: &DeployError) -> &'static str {
    match error {
        DeployError::Build(_) => "--engine, --engine-tls",
        error if is_credentials_rejected(error) => "--registry-user, --registry-password-file",
        _ => "--engine, --registry-push",
    }
}
