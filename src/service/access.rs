//! The rights of a caller in one app, and the ways into its repository.

use std::time::Duration;

use tokio::time::timeout;

use super::error::ServiceError;
use super::handle::{Caller, Service};
use super::repository_locks::{ExclusiveAccess, SharedAccess};
use crate::auth::{PushGrant, ReadGrant, authorize_push, authorize_read};
use crate::deploy_logs::DeployLogStore;
use crate::domain::AppName;

/// How long a caller waits for a repository that is being moved aside or removed.
const REPOSITORY_LOCK_TIMEOUT: Duration = Duration::from_secs(20);

impl Service {
    pub(super) async fn authorize_read(&self, caller: &Caller, app: &AppName) -> Result<ReadGrant, ServiceError> {
        Ok(authorize_read(&caller.identity, app, &self.deployer.apps.find_owner(app).await?)?)
    }

    /// Authorizes a change of an existing app.
    pub(super) async fn authorize_change(&self, caller: &Caller, app: &AppName) -> Result<PushGrant, ServiceError> {
        let owner = self.deployer.apps.find_owner(app).await?;
        let readable = authorize_read(&caller.identity, app, &owner)?;
        Ok(authorize_push(&caller.identity, readable.app(), &owner, self.creation)?)
    }

    pub(super) fn deploy_logs(&self, app: &AppName) -> DeployLogStore {
        DeployLogStore::in_repository(&self.repositories.path(app))
    }

    pub(super) async fn lock_repository_shared(&self, app: &AppName) -> Result<SharedAccess, ServiceError> {
        within_lock_timeout(app, self.repository_locks.lock_shared(app)).await
    }

    pub(super) async fn lock_repository_exclusive(&self, app: &AppName) -> Result<ExclusiveAccess, ServiceError> {
        within_lock_timeout(app, self.repository_locks.lock_exclusive(app)).await
    }
}

/// # Errors
/// [`ServiceError::RepositoryInUse`]
async fn within_lock_timeout<T>(app: &AppName, locking: impl Future<Output = T>) -> Result<T, ServiceError> {
    timeout(REPOSITORY_LOCK_TIMEOUT, locking).await.map_err(|_| ServiceError::RepositoryInUse(app.clone()))
}
