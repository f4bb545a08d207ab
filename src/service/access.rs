//! The rights of a caller in one app, and the ways into its repository.

use std::time::Duration;

use tokio::time::timeout;

use super::error::ServiceError;
use super::handle::{Caller, Service};
use super::repository_locks::{ExclusiveAccess, SharedAccess};
use crate::auth::{PushGrant, ReadGrant, authorize_push, authorize_read};
use crate::deploy_logs::DeployLogStore;
use crate::domain::{AppName, Progress};

/// How long a deletion waits for the repository without a word.
const SILENT_WAIT: Duration = Duration::from_millis(500);
/// How long a caller waits for a repository that is being moved aside or removed.
const REPOSITORY_LOCK_TIMEOUT: Duration = Duration::from_secs(20);

impl Service {
    pub(super) async fn authorize_read(&self, caller: &Caller, app: &AppName) -> Result<ReadGrant, ServiceError> {
        Ok(authorize_read(&caller.identity, app, &self.deployer.apps.find_owner(app).await?)?)
    }

    /// Authorizes a change of an existing app.
    pub(super) async fn authorize_change(&self, caller: &Caller, app: &AppName) -> Result<PushGrant, ServiceError> {
        self.check_key(caller)?;
        let owner = self.deployer.apps.find_owner(app).await?;
        let readable = authorize_read(&caller.identity, app, &owner)?;
        Ok(authorize_push(&caller.identity, readable.app(), &owner, self.creation)?)
    }

    pub(super) fn deploy_logs(&self, app: &AppName) -> DeployLogStore {
        DeployLogStore::in_repository(&self.repositories.path(app))
    }

    /// Locks the repository for `what`, such as `a push`.
    pub(super) async fn lock_repository_shared(
        &self,
        app: &AppName,
        caller: &Caller,
        what: &str,
    ) -> Result<SharedAccess, ServiceError> {
        let what = format!("{what} of {}", caller.identity.user);
        self.within_lock_timeout(app, self.repository_locks.lock_shared(app, what)).await
    }

    pub(super) async fn lock_repository_exclusive(&self, app: &AppName) -> Result<ExclusiveAccess, ServiceError> {
        self.within_lock_timeout(app, self.repository_locks.lock_exclusive(app)).await
    }

    /// As [`Service::lock_repository_exclusive`]; reports what it waits for.
    pub(super) async fn lock_repository_for_deletion(
        &self,
        app: &AppName,
        progress: &Progress,
    ) -> Result<ExclusiveAccess, ServiceError> {
        let mut locking = Box::pin(self.lock_repository_exclusive(app));
        if let Ok(locked) = timeout(SILENT_WAIT, &mut locking).await {
            return locked;
        }
        let (holders, limit) = (self.describe_holders(app), REPOSITORY_LOCK_TIMEOUT.as_secs());
        progress.log(format!("waiting for {holders}, for at most {limit} s")).await;
        locking.await
    }

    /// # Errors
    /// [`ServiceError::RepositoryInUse`]
    async fn within_lock_timeout<T>(&self, app: &AppName, locking: impl Future<Output = T>) -> Result<T, ServiceError> {
        let in_use = |_| ServiceError::RepositoryInUse { app: app.clone(), holders: self.describe_holders(app) };
        timeout(REPOSITORY_LOCK_TIMEOUT, locking).await.map_err(in_use)
    }

    fn describe_holders(&self, app: &AppName) -> String {
        let holders = self.repository_locks.describe_holders(app);
        // A deletion and a garbage collection are not among the holders, who share the repository.
        if holders.is_empty() { "the deletion of the app, or slipway's own maintenance".to_owned() } else { holders }
    }
}
