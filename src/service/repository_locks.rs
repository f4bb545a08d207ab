//! A read-write lock for each repository: pushes share it, and removing the repository requires exclusive access.
//! Background work with exclusive access, such as `git gc`, learns when someone else wants the repository.
//!
//! git leaves no trace of a push while the client is still packing, so the repository itself does not show whether
//! receive-pack is running.
//!
//! Each shared access names its holder, for the messages to those who wait for it. It also learns when someone waits for
//! exclusive access: a client that has not begun its push does not delay the deletion of the app.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio_util::sync::CancellationToken;

use crate::domain::AppName;

#[derive(Debug, Default)]
pub struct RepositoryLocks(Mutex<HashMap<AppName, Arc<RepositoryLock>>>);

#[derive(Debug, Default)]
struct RepositoryLock {
    access: Arc<RwLock<()>>,
    sharers: Mutex<Sharers>,
    /// Cancelled when someone wants the repository.
    wanted: Mutex<CancellationToken>,
    /// Cancelled when someone wants exclusive access.
    claimed: Mutex<CancellationToken>,
}

/// The holders of shared access.
#[derive(Debug, Default)]
struct Sharers {
    next: u64,
    holders: BTreeMap<u64, Holder>,
}

#[derive(Debug)]
struct Holder {
    /// Such as `a push of alice`.
    what: String,
    since: Instant,
}

/// One entry of [`Sharers`], for as long as it lives.
#[derive(Debug)]
struct Sharer {
    lock: Arc<RepositoryLock>,
    number: u64,
}

impl Drop for Sharer {
    fn drop(&mut self) {
        self.lock.sharers().holders.remove(&self.number);
    }
}

/// Shared access to a repository, such as that of a push.
#[derive(Debug)]
pub(super) struct SharedAccess {
    /// Declared before the guard: an entry is gone when the access is.
    sharer: Sharer,
    claimed: CancellationToken,
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
    /// Locks for `what`, such as `a push of alice`.
    pub(super) async fn lock_shared(&self, app: &AppName, what: String) -> SharedAccess {
        let lock = self.lock_of(app);
        lock.announce();
        let guard = Arc::clone(&lock.access).read_owned().await;
        SharedAccess { claimed: lock.unclaimed(), sharer: Sharer::add(&lock, what), guard }
    }

    /// Describes the holders of shared access; empty if there are none.
    pub(super) fn describe_holders(&self, app: &AppName) -> String {
        let lock = self.lock_of(app);
        let sharers = lock.sharers();
        let holders = sharers.holders.values().map(|Holder { what, since }| (what, since.elapsed().as_secs()));
        holders.map(|(what, seconds)| format!("{what} (for {seconds} s)")).collect::<Vec<_>>().join(", ")
    }

    pub(super) async fn lock_exclusive(&self, app: &AppName) -> ExclusiveAccess {
        let lock = self.lock_of(app);
        lock.announce();
        lock.claim();
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

    fn sharers(&self) -> MutexGuard<'_, Sharers> {
        self.sharers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self) {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).cancel();
    }

    /// The token for a new shared access. It is granted after all claims before it were granted or given up.
    fn unclaimed(&self) -> CancellationToken {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        if claimed.is_cancelled() {
            *claimed = CancellationToken::new();
        }
        claimed.clone()
    }

    fn renew_wanted(&self) -> CancellationToken {
        let wanted = CancellationToken::new();
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&wanted);
        wanted
    }
}

impl Sharer {
    fn add(lock: &Arc<RepositoryLock>, what: String) -> Self {
        let mut sharers = lock.sharers();
        let number = sharers.next;
        sharers.next += 1;
        sharers.holders.insert(number, Holder { what, since: Instant::now() });
        Self { lock: Arc::clone(lock), number }
    }
}

impl SharedAccess {
    /// Whether this is the only shared access now.
    pub(super) fn is_alone(&self) -> bool {
        self.sharer.lock.sharers().holders.len() <= 1
    }

    /// Cancelled when someone waits for exclusive access.
    pub(super) fn claimed(&self) -> &CancellationToken {
        &self.claimed
    }

    /// Gives up shared access; returns exclusive access if there is no other access.
    pub(super) fn try_into_exclusive(self) -> Option<ExclusiveAccess> {
        let Self { sharer, claimed: _, guard } = self;
        let lock = Arc::clone(&sharer.lock);
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
        let (first, second) =
            (locks.lock_shared(&app, "a push".to_owned()).await, locks.lock_shared(&app, "a push".to_owned()).await);
        assert!(first.try_into_exclusive().is_none());
        let exclusive = second.try_into_exclusive().unwrap();
        let other = "web2".parse().unwrap();
        assert!(locks.lock_shared(&other, "a push".to_owned()).await.try_into_exclusive().is_some());
        assert!(timeout(Duration::from_millis(20), exclusive.wanted()).await.is_err());
        assert!(timeout(Duration::from_millis(20), locks.lock_shared(&app, "a push".to_owned())).await.is_err());
        exclusive.wanted().await;
        drop(exclusive);
        assert!(locks.lock_shared(&app, "a push".to_owned()).await.try_into_exclusive().is_some());
        assert_eq!(locks.0.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_shared_access_is_alone_until_another_one_comes() {
        let (locks, app) = (RepositoryLocks::default(), "web".parse().unwrap());
        let first = locks.lock_shared(&app, "a push".to_owned()).await;
        assert!(first.is_alone());
        let second = locks.lock_shared(&app, "a push".to_owned()).await;
        assert!(!first.is_alone() && !second.is_alone());
        drop(first);
        assert!(second.is_alone());
    }

    #[tokio::test]
    async fn an_exclusive_access_sees_its_holders_and_is_announced_to_them() {
        let (locks, app) = (RepositoryLocks::default(), "web".parse().unwrap());
        let push = locks.lock_shared(&app, "a push of alice".to_owned()).await;
        assert!(!push.claimed().is_cancelled());
        assert!(timeout(Duration::from_millis(20), locks.lock_exclusive(&app)).await.is_err());
        assert!(push.claimed().is_cancelled());
        assert_eq!(locks.describe_holders(&app), "a push of alice (for 0 s)");
        // That claim was given up.
        let next = locks.lock_shared(&app, "a push of bob".to_owned()).await;
        assert!(!next.claimed().is_cancelled());
        drop((push, next));
        assert_eq!(locks.describe_holders(&app), "");
    }
}
