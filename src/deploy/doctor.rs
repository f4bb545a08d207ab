//! What is wrong with an app that nobody notices until it matters.

use serde::Serialize;

use super::{DeployError, Deployer};
use crate::domain::{AppName, Digest, Revision};
use crate::release::record::Status;
use crate::release::{self, ReleaseInfo};

/// Something that is wrong, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The app; none if it concerns all of them.
    pub app: Option<AppName>,
    /// Of which revision, if it is of one.
    pub revision: Option<Revision>,
    /// What it is, in words.
    pub finding: String,
}

impl Deployer {
    /// Looks whether the registry has the images of an app's revisions, and whether their records can be read. That this
    /// cannot be found out is a finding too.
    pub async fn examine(&self, app: &AppName) -> Vec<Finding> {
        self.look_at(app).await.unwrap_or_else(|error| {
            tracing::warn!(%app, error = crate::telemetry::chain(&error), "an app cannot be examined");
            vec![Finding { app: Some(app.clone()), revision: None, finding: error.to_string() }]
        })
    }

    async fn look_at(&self, app: &AppName) -> Result<Vec<Finding>, DeployError> {
        self.apps.take_rights(app).await?;
        let mut findings = Vec::new();
        for info in release::releases(&self.cluster, app, usize::MAX).await? {
            let finding = match image(&info) {
                Some(digest) if !self.registry.has(app, &digest).await? => missing_image(app, &info),
                Some(_) => continue,
                None => match trouble(app, &info) {
                    Some(trouble) => trouble,
                    None => continue,
                },
            };
            findings.push(Finding { app: Some(app.clone()), revision: Some(info.revision), finding });
        }
        Ok(findings)
    }

    /// Looks at what every push needs.
    pub async fn examine_itself(&self) -> Option<Finding> {
        let error = self.engine_reaches_registry().await.err()?;
        tracing::warn!(error = crate::telemetry::chain(&error), "doctor: no push can go live");
        Some(Finding { app: None, revision: None, finding: format!("no push can go live: {error}") })
    }
}

/// The image of a revision that runs, or that could be gone back to.
fn image(info: &ReleaseInfo) -> Option<Digest> {
    let counts = matches!(info.status, Status::Deployed | Status::Superseded);
    info.image.as_ref().filter(|_| counts)?.parse().ok()
}

fn missing_image(app: &AppName, info: &ReleaseInfo) -> String {
    if info.status == Status::Deployed {
        format!("it serves, and its image is not in the registry: no other node can start it; redeploy {app}")
    } else {
        "its image is not in the registry: it cannot be gone back to".to_owned()
    }
}

fn trouble(app: &AppName, info: &ReleaseInfo) -> Option<String> {
    if info.status.is_pending() {
        return Some(format!("{}: somebody deploys, or the next push to {app} undoes it", info.status.as_str()));
    }
    // Of a record that cannot be read only this is known.
    (info.chart.is_none() && info.app_version.is_none()).then(|| info.description.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(status: Status) -> ReleaseInfo {
        ReleaseInfo {
            revision: Revision(2),
            status,
            chart: Some("web-0.1.0".into()),
            app_version: None,
            commit: None,
            pusher: None,
            image: Some(format!("sha256:{}", "a".repeat(64))),
            deployed: None,
            seconds: None,
            description: "the record of v2 cannot be read".into(),
        }
    }

    #[test]
    fn only_what_runs_or_may_run_again_needs_its_image() {
        let app: AppName = "web".parse().unwrap();
        assert!(image(&info(Status::Deployed)).is_some() && image(&info(Status::Superseded)).is_some());
        assert!(image(&info(Status::Failed)).is_none());
        assert!(missing_image(&app, &info(Status::Deployed)).ends_with("redeploy web"));
        assert!(missing_image(&app, &info(Status::Superseded)).contains("cannot be gone back to"));
    }

    #[test]
    fn what_is_pending_or_cannot_be_read_is_a_finding() {
        let app: AppName = "web".parse().unwrap();
        assert!(trouble(&app, &info(Status::PendingUpgrade)).unwrap().starts_with("pending-upgrade"));
        assert_eq!(trouble(&app, &info(Status::Failed)), None);
        let unreadable = ReleaseInfo { chart: None, ..info(Status::Superseded) };
        assert_eq!(trouble(&app, &unreadable).as_deref(), Some("the record of v2 cannot be read"));
    }
}
