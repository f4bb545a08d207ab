//! The stored output of deploys.

use super::answers::{Build, BuildLog};
use super::error::ServiceError;
use super::handle::{Caller, Service};
use crate::domain::AppName;

impl Service {
    /// The deploys of an app whose output is stored, oldest first.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn list_builds(&self, caller: &Caller, app: &AppName) -> Result<Vec<Build>, ServiceError> {
        let grant = self.authorize_read(caller, app).await?;
        Ok(self.deploy_logs(grant.app()).list().await?)
    }

    /// The output of the deploy with this number; by default of the newest.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn read_build(
        &self,
        caller: &Caller,
        app: &AppName,
        number: Option<u64>,
    ) -> Result<BuildLog, ServiceError> {
        let grant = self.authorize_read(caller, app).await?;
        Ok(self.deploy_logs(grant.app()).read(number).await?)
    }
}
