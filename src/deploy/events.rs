//! Kubernetes Events about deploys, in the app's namespace. The involved object is the app's Deployment, which may not
//! exist yet.

use kube::runtime::events::EventType;

use super::deployer::Deployer;
use super::error::DeployError;
use super::live_deploy::{Deployed, DeployedSource};
use crate::domain::{AppName, UserName};
use crate::k8s::{EventObject, ObjectEvent};
use crate::release::{ReleaseError, RollbackOutcome};

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
        Some(Self { kind: EventType::Warning, reason, note: error.to_string() })
    }
}

impl Deployer {
    /// Writes an Event in the background. A failed write does not fail the deploy.
    pub(super) fn emit_event(&self, app: &AppName, event: DeployEvent) {
        let DeployEvent { kind, reason, note } = event;
        let (namespace, name) = (app.to_string(), app.to_string());
        let object = EventObject { api_version: "apps/v1", kind: "Deployment", namespace, name };
        self.events.publish(ObjectEvent { object, event_type: kind, reason, action: "Deploy", note });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Revision;

    fn event(result: Result<DeployedSource, DeployError>) -> Option<(&'static str, String)> {
        let deployed = result.map(|source| Deployed { app: "web".parse().unwrap(), revision: Revision(3), source });
        let event = DeployEvent::from_result(&"alice".parse().unwrap(), deployed.as_ref())?;
        Some((event.reason, event.note))
    }

    #[test]
    fn the_event_of_a_live_deploy_names_its_source_and_its_user() {
        let (branch, commit) = ("main".parse().unwrap(), "a".repeat(40).parse().unwrap());
        let deployed = event(Ok(DeployedSource::Commit { branch, commit }));
        assert_eq!(deployed, Some(("Deployed", "v3: aaaaaaa by alice".into())));
        let rolled_back = event(Ok(DeployedSource::Revision { revision: Revision(1), commit: None }));
        assert_eq!(rolled_back, Some(("RolledBack", "to v1, as v3, by alice".into())));
    }

    #[test]
    fn a_deploy_that_was_refused_before_its_build_has_no_event() {
        assert_eq!(event(Err(DeployError::DryRun)), None);
    }
}
