//! A read-write lock for each repository: pushes share it, and removing the repository requires exclusive access.
//!
//! git leaves no trace of a push while the client is still packing, so the repository itself does not show whether
//! receive-pack is running.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::domain::AppName;

type RepositoryLock = Arc<RwLock<()>>;

#[derive(Debug, Default)]
pub struct RepositoryLocks(Mutex<HashMap<AppName, RepositoryLock>>);

/// Shared access to a repository, such as that of a push.
#[derive(Debug)]
pub(super) struct SharedAccess {
    lock: RepositoryLock,
    guard: OwnedRwLockReadGuard<()>,
}

/// Exclusive access to a repository.
#[derive(Debug)]
pub(super) struct ExclusiveAccess {
    _guard: OwnedRwLockWriteGuard<()>,
}

impl RepositoryLocks {
    pub(super) async fn lock_shared(&self, app: &AppName) -> SharedAccess {
        let lock = self.lock_of(app);
        let guard = Arc::clone(&lock).read_owned().await;
        SharedAccess { lock, guard }
    }

    pub(super) async fn lock_exclusive(&self, app: &AppName) -> ExclusiveAccess {
        ExclusiveAccess { _guard: self.lock_of(app).write_owned().await }
    }

    /// The lock of the app's repository. Drops the locks that are not in use.
    fn lock_of(&self, app: &AppName) -> RepositoryLock {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(app.clone()).or_default())
    }
}

impl SharedAccess {
    /// Gives up shared access; returns exclusive access if there is no other access.
    pub(super) fn try_into_exclusive(self) -> Option<ExclusiveAccess> {
        drop(self.guard);
        self.lock.try_write_owned().ok().map(|_guard| ExclusiveAccess { _guard })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn only_the_last_shared_access_becomes_exclusive_and_blocks_others() {
        let (locks, app) = (RepositoryLocks::default(), "web".parse().unwrap());
        let (first, second) = (locks.lock_shared(&app).await, locks.lock_shared(&app).await);
        assert!(first.try_into_exclusive().is_none());
        let exclusive = second.try_into_exclusive().unwrap();
        let other = "web2".parse().unwrap();
        assert!(locks.lock_shared(&other).await.try_into_exclusive().is_some());
        assert!(timeout(Duration::from_millis(20), locks.lock_shared(&app)).await.is_err());
        drop(exclusive);
        assert!(locks.lock_shared(&app).await.try_into_exclusive().is_some());
        assert_eq!(locks.0.lock().unwrap().len(), 1);
    }
}
