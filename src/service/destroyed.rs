//! The end of a deletion that outlasts its command: the repository goes when the namespace is gone.

use std::sync::Arc;
use std::time::Duration;

use super::error::ServiceError;
use super::handle::Service;
use super::repository_locks::RepositoryLocks;
use crate::apps::AppsError;
use crate::deploy::Deployer;
use crate::domain::{AppName, AppOwner};
use crate::git::Repositories;
use crate::telemetry::error_chain;

/// Pause between two looks at a namespace that is being deleted.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// The repository of an app whose namespace is being deleted.
struct DestroyedRepository {
    app: AppName,
    repositories: Repositories,
    repository_locks: Arc<RepositoryLocks>,
    deployer: Arc<Deployer>,
}

/// The state of its namespace.
enum Namespace {
    BeingDeleted,
    Gone,
    /// The deletion never began, or the name has a new owner.
    InUse,
}

impl Service {
    /// Removes the repositories whose deletion an earlier process of this gateway has not finished.
    pub async fn resume_deletions(&self) {
        match self.repositories.list_destroyed().await {
            Ok(apps) => apps.into_iter().for_each(|app| self.remove_repository_later(app)),
            Err(error) => tracing::error!(error = error_chain(&error), "cannot search for unfinished deletions"),
        }
    }

    /// Removes the marked repository in the background, as soon as its namespace is gone. The mark is removed if the
    /// namespace stays.
    pub(super) fn remove_repository_later(&self, app: AppName) {
        let (repositories, repository_locks) = (self.repositories.clone(), Arc::clone(&self.repository_locks));
        let destroyed =
            DestroyedRepository { app, repositories, repository_locks, deployer: Arc::clone(&self.deployer) };
        let stop = self.deployer.stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(destroyed.remove_when_gone()).await });
    }
}

impl DestroyedRepository {
    async fn remove_when_gone(self) {
        let app = &self.app;
        loop {
            match self.finish().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(%app, error = error_chain(&error), "cannot finish the deletion of an app"),
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Whether nothing is left to do.
    async fn finish(&self) -> Result<bool, ServiceError> {
        let app = &self.app;
        if let Namespace::BeingDeleted = self.look_up_namespace().await? {
            return Ok(false);
        }
        let _exclusive = self.repository_locks.lock_exclusive(app).await;
        if !self.repositories.is_destroyed(app).await {
            return Ok(true);
        }
        match self.look_up_namespace().await? {
            Namespace::BeingDeleted => return Ok(false),
            Namespace::InUse => self.repositories.unmark_destroyed(app).await?,
            Namespace::Gone => {
                self.repositories.remove(app).await?;
                tracing::info!(%app, "the namespace is gone: removed the repository of the deleted app");
            }
        }
        Ok(true)
    }

    async fn look_up_namespace(&self) -> Result<Namespace, ServiceError> {
        match self.deployer.apps.find_owner(&self.app).await {
            Err(AppsError::BeingDeleted(_)) => Ok(Namespace::BeingDeleted),
            Ok(AppOwner::None) | Err(AppsError::NamespaceMissing(_)) => Ok(Namespace::Gone),
            Ok(_) => Ok(Namespace::InUse),
            Err(error) => Err(error.into()),
        }
    }
}
