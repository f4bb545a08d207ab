//! The branch whose pushes are deployed.

use super::error::ServiceError;
use super::handle::{Caller, Service};
use crate::deploy;
use crate::domain::{AppName, BranchName};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetDeployBranchRequest {
    pub app: AppName,
    pub branch: BranchName,
}

impl Service {
    /// The deploy branch of an app that the caller may read.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn deploy_branch(&self, caller: &Caller, app: &AppName) -> Result<BranchName, ServiceError> {
        self.authorize_read(caller, app).await?;
        let _shared = self.lock_repository_shared(app, caller, "a command").await?;
        if !self.repositories.exists(app).await {
            return Err(ServiceError::NoRepository(app.clone()));
        }
        Ok(deploy::read_deploy_branch(&self.repositories.path(app), app).await?)
    }

    /// Makes another branch the deploy branch. The branch has to be in the repository.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn set_deploy_branch(
        &self,
        caller: &Caller,
        request: &SetDeployBranchRequest,
    ) -> Result<(), ServiceError> {
        let SetDeployBranchRequest { app, branch } = request;
        let grant = self.authorize_change(caller, app).await?;
        let _shared = self.lock_repository_shared(app, caller, "a command").await?;
        if !self.repositories.exists(app).await {
            return Err(ServiceError::NoRepository(app.clone()));
        }
        Ok(self.deployer.set_deploy_branch(&grant, &self.repositories.path(app), branch).await?)
    }
}
