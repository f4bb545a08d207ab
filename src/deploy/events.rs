//! Kubernetes Events about deploys, in the app's namespace. The involved object is the app's Deployment, which may not
//! exist yet.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::time::timeout;

use super::deployer::Deployer;
use super::error::DeployError;
use super::live_deploy::{Deployed, DeployedSource};
use crate::domain::{AppName, UserName};
use crate::release::{ReleaseError, RollbackOutcome};

/// The deploy does not wait for its events.
const EMIT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest note, in characters of at most 4 bytes: the API server accepts 1,024 bytes.
const MAX_NOTE_LEN: usize = 250;

pub(super) struct DeployEvent {
    kind: EventType,
    reason: &'static str,
    note: String,
}

impl DeployEvent {
    /// A push passed the preflight.
    pub fn push_received(commit: &str, user: &UserName) -> Self {
        Self { kind: EventType::Normal, reason: "PushReceived", note: format!("{commit} by {user}") }
    }

    /// None for a deploy that was refused before its build.
    pub fn from_result(user: &UserName, result: Result<&Deployed, &DeployError>) -> Option<Self> {
        result.map_or_else(Self::failed, |deployed| Some(Self::live(deployed, user)))
    }

    fn live(deployed: &Deployed, user: &UserName) -> Self {
        let revision = deployed.revision;
        let (reason, note) = match &deployed.source {
            DeployedSource::Commit { commit, .. } => ("Deployed", format!("{revision}: {} by {user}", commit.short())),
            DeployedSource::Revision { revision: to, .. } => {
                ("RolledBack", format!("to {to}, as {revision}, by {user}"))
            }
        };
        Self { kind: EventType::Normal, reason, note }
    }

    fn failed(error: &DeployError) -> Option<Self> {
        let reason = match error {
            DeployError::Build(_) => "BuildFailed",
            DeployError::Registry(_) => "PublishFailed",
            DeployError::Release(ReleaseError::Failed { outcome: RollbackOutcome::RolledBack { .. }, .. }) => {
                "RolledBack"
            }
            DeployError::Release(_) => "ReleaseFailed",
            _ => return None,
        };
        let note = error.to_string().chars().take(MAX_NOTE_LEN).collect();
        Some(Self { kind: EventType::Warning, reason, note })
    }
}

impl Deployer {
    /// Writes an Event in the background. A failed write does not fail the deploy.
    pub(super) fn emit_event(&self, app: &AppName, event: DeployEvent) {
        let (client, app, instance) = (self.cluster.clone(), app.clone(), self.gateway.identity.clone());
        tokio::spawn(async move {
            let reason = event.reason;
            match timeout(EMIT_TIMEOUT, publish(client, &app, instance, event)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%app, reason, %error, "cannot write a Kubernetes Event"),
                Err(_) => tracing::debug!(%app, reason, "writing a Kubernetes Event timed out"),
            }
        });
    }
}

async fn publish(client: Client, app: &AppName, instance: String, event: DeployEvent) -> Result<(), kube::Error> {
    let DeployEvent { kind, reason, note } = event;
    let deployment = ObjectReference {
        api_version: Some("apps/v1".into()),
        kind: Some("Deployment".into()),
        name: Some(app.to_string()),
        namespace: Some(app.to_string()),
        ..ObjectReference::default()
    };
    let event =
        Event { type_: kind, reason: reason.into(), note: Some(note), action: "Deploy".into(), secondary: None };
    let reporter = Reporter { controller: "slipway".into(), instance: Some(instance) };
    Recorder::new(client, reporter).publish(&event, &deployment).await
}
