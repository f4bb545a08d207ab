//! Whether the Engine reaches the registry, found out before a push does.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use super::{DeployError, Deployer};
use crate::registry::RegistryError;

/// A minute in all: a registry or an Engine beside slipway may come up a moment later.
fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(10))
        .with_max_times(8)
}

impl Deployer {
    /// Has the Engine ask the registry something.
    ///
    /// # Errors
    /// [`DeployError::Build`] if the Engine does not answer, [`DeployError::Registry`] if it gets no answer.
    pub async fn engine_reaches_registry(&self) -> Result<(), DeployError> {
        let docker = self.engine.client().await?;
        Ok(self.registry.reached_by(&docker).await?)
    }

    /// Looks at the start, and says in the log how it is.
    pub async fn look_whether_engine_reaches_registry(self: Arc<Self>) {
        let look = || {
            let this = Arc::clone(&self);
            async move { this.engine_reaches_registry().await }
        };
        let looked = look.retry(patience()).when(may_pass);
        match self.stop.run_until_cancelled(looked).await {
            Some(Ok(())) => tracing::info!("the Engine reaches the registry"),
            Some(Err(error)) => {
                let flags = flags(&error);
                tracing::error!(flags, error = crate::telemetry::chain(&error), "as it is, no push can go live");
            }
            None => {}
        }
    }
}

fn is_refused(error: &DeployError) -> bool {
    matches!(error, DeployError::Registry(RegistryError::Refused(..)))
}

fn may_pass(error: &DeployError) -> bool {
    !is_refused(error)
}

/// Where to look.
fn flags(error: &DeployError) -> &'static str {
    match error {
        DeployError::Build(_) => "--engine, --engine-tls",
        error if is_refused(error) => "--registry-user, --registry-password-file",
        _ => "--engine, --registry-push",
    }
}
