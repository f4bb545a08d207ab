//! A read-write lock for each repository: pushes share it, and removing the repository requires exclusive access.
//! Background work with exclusive access, such as `git gc`, learns when someone else wants the repository.
//!
//! git leaves no trace of a push while the client is still packing, so the repository itself does not show whether
//! receive-pack is running.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio_util::sync::CancellationToken;

use crate::domain::AppName;

#[derive(Debug, Default)]
pub struct RepositoryLocks(Mutex<HashMap<AppName, Arc<RepositoryLock>>>);

#[derive(Debug, Default)]
struct RepositoryLock {
    access: Arc<RwLock<()>>,
    /// Each shared access has a clone, which counts them.
    sharers: Arc<()>,
    /// Cancelled when someone wants the repository.
    wanted: Mutex<CancellationToken>,
}

/// Shared access to a repository, such as that of a push.
#[derive(Debug)]
pub(super) struct SharedAccess {
    lock: Arc<RepositoryLock>,
    sharer: Arc<()>,
    guard: OwnedRwLockReadGuard<()>,
}

/// Exclusive access to a repository.
#[derive(Debug)]
pub(super) struct ExclusiveAccess {
    /// Keeps the lock in the map.
    _lock: Arc<RepositoryLock>,
    _guard: OwnedRwLockWriteGuard<()>,
    wanted: CancellationToken,
}

impl RepositoryLocks {
    pub(super) async fn lock_shared(&self, app: &AppName) -> SharedAccess {
        let lock = self.lock_of(app);
        lock.announce();
        let guard = Arc::clone(&lock.access).read_owned().await;
        SharedAccess { sharer: Arc::clone(&lock.sharers), lock, guard }
    }

    pub(super) async fn lock_exclusive(&self, app: &AppName) -> ExclusiveAccess {
        let lock = self.lock_of(app);
        lock.announce();
        let guard = Arc::clone(&lock.access).write_owned().await;
        ExclusiveAccess { wanted: lock.renew_wanted(), _lock: lock, _guard: guard }
    }

    /// The lock of the app's repository. Drops the locks that are not in use.
    fn lock_of(&self, app: &AppName) -> Arc<RepositoryLock> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry(app.clone()).or_default())
    }
}

impl RepositoryLock {
    fn announce(&self) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).cancel();
    }

    fn renew_wanted(&self) -> CancellationToken {
        let wanted = CancellationToken::new();
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&wanted);
        wanted
    }
}

impl SharedAccess {
    /// Whether this is the only shared access now.
    pub(super) fn is_alone(&self) -> bool {
        // The lock's own and this one's.
        Arc::strong_count(&self.sharer) <= 2
    }

    /// Gives up shared access; returns exclusive access if there is no other access.
    pub(super) fn try_into_exclusive(self) -> Option<ExclusiveAccess> {
        let Self { lock, sharer, guard } = self;
        // Before the attempt: a request that comes after it cancels this token.
        let wanted = lock.renew_wanted();
        drop((sharer, guard));
        let _guard = Arc::clone(&lock.access).try_write_owned().ok()?;
        Some(ExclusiveAccess { _lock: lock, _guard, wanted })
    }
}

impl ExclusiveAccess {
    /// Resolves when someone else waits for the repository.
    pub(super) async fn wanted(&self) {
        self.wanted.cancelled().await;
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
        assert!(timeout(Duration::from_millis(20), exclusive.wanted()).await.is_err());
        assert!(timeout(Duration::from_millis(20), locks.lock_shared(&app)).await.is_err());
        exclusive.wanted().await;
        drop(exclusive);
        assert!(locks.lock_shared(&app).await.try_into_exclusive().is_some());
        assert_eq!(locks.0.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_shared_access_is_alone_until_another_one_comes() {
        let (locks, app) = (RepositoryLocks::default(), "web".parse().unwrap());
        let first = locks.lock_shared(&app).await;
        assert!(first.is_alone());
        let second = locks.lock_shared(&app).await;
        assert!(!first.is_alone() && !second.is_alone());
        drop(first);
        assert!(second.is_alone());
    }
}
