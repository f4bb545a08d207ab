//! The files in which an app describes itself.

use super::error::ServiceError;
use super::handle::{Caller, Service};
use crate::domain::AppName;
use crate::spec::ResolvedSpec;

impl Service {
    /// The merged files of the deploy branch.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn read_spec(&self, caller: &Caller, app: &AppName) -> Result<ResolvedSpec, ServiceError> {
        self.authorize_read(caller, app).await?;
        let _shared = self.lock_repository_shared(app, caller, "a command").await?;
        if !self.repositories.exists(app).await {
            return Err(ServiceError::NoRepository(app.clone()));
        }
        Ok(self.deployer.read_deployed_files(&self.repositories.path(app), app).await?)
    }
}
