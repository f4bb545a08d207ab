//! What `kubectl get events` shows of deploys in an app's namespace. They are about the app's Deployment, which need not be
//! there yet.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::time::timeout;

use super::{DeployError, Deployer};
use crate::domain::{AppName, Revision, UserName};
use crate::release::{Aftermath, ReleaseError};

/// How long an event may take: nothing waits for it.
const DEADLINE: Duration = Duration::from_secs(10);
/// How much of an error an event tells; the API server takes 1,024 bytes.
const NOTE: usize = 250;

/// Something that happened to an app.
pub(super) struct News {
    kind: EventType,
    reason: &'static str,
    note: String,
}

impl News {
    /// A push was let through, and is built now.
    pub fn received(commit: &str, user: &UserName) -> Self {
        Self { kind: EventType::Normal, reason: "PushReceived", note: format!("{commit} by {user}") }
    }

    /// A revision is live.
    pub fn deployed(revision: Revision, commit: &str, user: &UserName) -> Self {
        Self { kind: EventType::Normal, reason: "Deployed", note: format!("{revision}: {commit} by {user}") }
    }

    /// Somebody went back.
    pub fn rolled_back(revision: Revision, to: Revision, user: &UserName) -> Self {
        Self { kind: EventType::Normal, reason: "RolledBack", note: format!("to {to}, as {revision}, by {user}") }
    }

    /// What became of a deploy that failed; nothing where it was refused before it began.
    pub fn failed(error: &DeployError) -> Option<Self> {
        let reason = match error {
            DeployError::Build(_) => "BuildFailed",
            DeployError::Registry(_) => "PublishFailed",
            DeployError::Release(ReleaseError::Failed { aftermath: Aftermath::RolledBack { .. }, .. }) => "RolledBack",
            DeployError::Release(_) => "ReleaseFailed",
            _ => return None,
        };
        let note = error.to_string().chars().take(NOTE).collect();
        Some(Self { kind: EventType::Warning, reason, note })
    }
}

impl Deployer {
    /// Tells the cluster. Nobody waits for it, and a deploy does not fail for it.
    pub(super) fn tell(&self, app: &AppName, news: News) {
        let (client, app, instance) = (self.cluster.clone(), app.clone(), self.gateway.identity.clone());
        tokio::spawn(async move {
            let reason = news.reason;
            match timeout(DEADLINE, publish(client, &app, instance, news)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%app, reason, %error, "an event could not be written"),
                Err(_) => tracing::debug!(%app, reason, "an event could not be written in time"),
            }
        });
    }
}

async fn publish(client: Client, app: &AppName, instance: String, news: News) -> Result<(), kube::Error> {
    let News { kind, reason, note } = news;
    let about = ObjectReference {
        api_version: Some("apps/v1".into()),
        kind: Some("Deployment".into()),
        name: Some(app.to_string()),
        namespace: Some(app.to_string()),
        ..ObjectReference::default()
    };
    let event =
        Event { type_: kind, reason: reason.into(), note: Some(note), action: "Deploy".into(), secondary: None };
    let reporter = Reporter { controller: "slipway".into(), instance: Some(instance) };
    Recorder::new(client, reporter).publish(&event, &about).await
}
