//! The diagnosis of apps.

use super::answers::Diagnosis;
use super::error::ServiceError;
use super::handle::{Caller, Service};
use crate::domain::AppName;

impl Service {
    /// The problems of an app, or of each app that the caller may read, and of slipway itself.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn diagnose(&self, caller: &Caller, app: Option<&AppName>) -> Result<Vec<Diagnosis>, ServiceError> {
        let apps = match app {
            Some(app) => vec![self.authorize_read(caller, app).await?.app().clone()],
            None => self.list_apps(caller).await?.into_iter().map(|app| app.app).collect(),
        };
        let mut findings = Vec::from_iter(self.deployer.diagnose_gateway().await);
        for app in &apps {
            let found = self.deployer.diagnose_app(app).await;
            // An earlier finding may be the reason why this app cannot be diagnosed, and would be repeated for each app.
            let is_undiagnosable = !findings.is_empty() && found.iter().any(|finding| finding.revision.is_none());
            findings.extend(found);
            if is_undiagnosable {
                break;
            }
        }
        Ok(findings)
    }
}
