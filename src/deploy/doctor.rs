//! The `doctor` command: finds problems of an app that would show only in a later deploy, rollback or pod start.

use serde::Serialize;

use super::deployer::Deployer;
use super::error::DeployError;
use crate::domain::{AppName, Digest, Revision, Target};
use crate::release::record::ReleaseStatus;
use crate::release::{self, ObjectProblem, ReleaseInfo};

/// A problem, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// None if the problem affects all apps.
    pub app: Option<AppName>,
    pub revision: Option<Revision>,
    pub finding: String,
}

impl Deployer {
    /// Checks that the registry has the images of the app's revisions, that the release records are readable, and that the
    /// objects of the deployed revision exist and are ready. A failed check is a problem as well.
    pub async fn diagnose_app(&self, app: &AppName) -> Vec<Diagnosis> {
        self.check_app(app).await.unwrap_or_else(|error| {
            tracing::warn!(%app, error = crate::telemetry::error_chain(&error), "cannot check an app");
            vec![Diagnosis { app: Some(app.clone()), revision: None, finding: error.to_string() }]
        })
    }

    async fn check_app(&self, app: &AppName) -> Result<Vec<Diagnosis>, DeployError> {
        self.apps.bind_role(app).await?;
        let mut findings = Vec::new();
        for info in release::list_releases(&self.cluster, &Target::of_app(app), usize::MAX).await? {
            let finding = match required_image(&info) {
                Some(digest) if !self.registry.has_image(app, &digest).await? => missing_image_problem(app, &info),
                Some(_) => continue,
                None => match record_problem(app, &info) {
                    Some(problem) => problem,
                    None => continue,
                },
            };
            findings.push(Diagnosis { app: Some(app.clone()), revision: Some(info.revision), finding });
        }
        if let Some((revision, problems)) = release::find_object_problems(&self.cluster, &Target::of_app(app)).await? {
            let diagnosis = |problem| Diagnosis { app: Some(app.clone()), revision: Some(revision), finding: problem };
            findings.extend(problems.into_iter().map(|problem| diagnosis(describe_object_problem(app, problem))));
        }
        Ok(findings)
    }

    /// Checks that the Engine can reach the registry.
    pub async fn diagnose_gateway(&self) -> Option<Diagnosis> {
        let error = self.check_engine_reaches_registry().await.err()?;
        tracing::warn!(error = crate::telemetry::error_chain(&error), "doctor: pushes will fail");
        Some(Diagnosis { app: None, revision: None, finding: format!("pushes will fail: {error}") })
    }
}

/// The image of a revision that is deployed, or that a rollback could deploy.
fn required_image(info: &ReleaseInfo) -> Option<Digest> {
    let is_required = matches!(info.status, ReleaseStatus::Deployed | ReleaseStatus::Superseded);
    info.image.as_ref().filter(|_| is_required)?.parse().ok()
}

fn missing_image_problem(app: &AppName, info: &ReleaseInfo) -> String {
    if info.status == ReleaseStatus::Deployed {
        format!(
            "the image of the deployed revision is not in the registry: other nodes cannot start its pods; redeploy {app}"
        )
    } else {
        "its image is not in the registry: no rollback to this revision is possible".to_owned()
    }
}

fn describe_object_problem(app: &AppName, problem: ObjectProblem) -> String {
    match problem {
        ObjectProblem::Deleted(object) => format!("{object} was deleted; to create it again: redeploy {app}"),
        ObjectProblem::NotReady(reason) => reason,
    }
}

fn record_problem(app: &AppName, info: &ReleaseInfo) -> Option<String> {
    if info.status.is_pending() {
        let status = info.status.as_str();
        return Some(format!("{status}: a deploy is running, or the next push to {app} undoes the revision"));
    }
    // The description of an unreadable record is the error.
    let error = (info.chart.is_none() && info.app_version.is_none()).then(|| info.description.clone())?;
    let is_deployed = info.status == ReleaseStatus::Deployed;
    Some(if is_deployed { format!("{error}; to replace the revision: redeploy {app}") } else { error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(status: ReleaseStatus) -> ReleaseInfo {
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
    fn only_deployed_and_superseded_revisions_need_their_images() {
        let app: AppName = "web".parse().unwrap();
        assert!(required_image(&info(ReleaseStatus::Deployed)).is_some());
        assert!(required_image(&info(ReleaseStatus::Superseded)).is_some());
        assert!(required_image(&info(ReleaseStatus::Failed)).is_none());
        assert!(missing_image_problem(&app, &info(ReleaseStatus::Deployed)).ends_with("redeploy web"));
        let superseded = missing_image_problem(&app, &info(ReleaseStatus::Superseded));
        assert!(superseded.contains("no rollback to this revision is possible"));
    }

    #[test]
    fn a_pending_revision_and_an_unreadable_record_are_problems() {
        let app: AppName = "web".parse().unwrap();
        assert!(record_problem(&app, &info(ReleaseStatus::PendingUpgrade)).unwrap().starts_with("pending-upgrade"));
        assert_eq!(record_problem(&app, &info(ReleaseStatus::Failed)), None);
        let unreadable = ReleaseInfo { chart: None, ..info(ReleaseStatus::Superseded) };
        assert_eq!(record_problem(&app, &unreadable).as_deref(), Some("the record of v2 cannot be read"));
    }
}
