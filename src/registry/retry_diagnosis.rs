//! Finds out why the Engine retries a push: the Engine does not report the reason.

use std::time::Duration;

use tokio::time::Instant;

use super::client::Registry;
use super::error::RegistryError;
use crate::domain::AppName;

const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// How long the registry may be unreachable before the push fails. The Engine retries for about a minute, so a push survives
/// a restart of the registry.
pub(super) const UNREACHABLE_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct RetryProbe<'a> {
    registry: &'a Registry,
    app: &'a AppName,
    unreachable_since: Option<Instant>,
    next_probe: Instant,
}

impl<'a> RetryProbe<'a> {
    pub(super) fn new(registry: &'a Registry, app: &'a AppName) -> Self {
        Self { registry, app, unreachable_since: None, next_probe: Instant::now() }
    }

    /// Uploads a small blob. Returns a message for the pusher, or an error if further retries are useless.
    pub(super) async fn probe(&mut self) -> Result<Option<&'static str>, RegistryError> {
        if Instant::now() < self.next_probe {
            return Ok(None);
        }
        self.next_probe = Instant::now() + PROBE_INTERVAL;
        match self.registry.diagnose_upload(self.app).await {
            Some(error @ RegistryError::Unreachable(..)) => {
                let since = *self.unreachable_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= UNREACHABLE_TIMEOUT {
                    Err(error)
                } else {
                    Ok(Some("The registry does not answer: trying again"))
                }
            }
            Some(error @ (RegistryError::Full(..) | RegistryError::CredentialsRejected(..))) => Err(error),
            Some(_) | None => {
                self.unreachable_since = None;
                Ok(Some("The registry did not accept a layer: trying again"))
            }
        }
    }
}
