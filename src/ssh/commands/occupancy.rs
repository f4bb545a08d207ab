//! Which repositories are being pushed to, so that an empty one is removed only by whoever leaves it last.
//!
//! git itself does not show it: while a client is still packing, receive-pack waits in the repository without a trace.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::domain::AppName;

type Repository = Arc<RwLock<()>>;

/// The repositories in use.
#[derive(Debug, Default)]
pub struct Occupancy(Mutex<HashMap<AppName, Repository>>);

/// Someone is in the repository.
#[derive(Debug)]
pub struct Inside {
    repository: Repository,
    guard: OwnedRwLockReadGuard<()>,
}

/// Nobody is, and nobody comes in.
#[derive(Debug)]
pub struct Alone {
    _closed: OwnedRwLockWriteGuard<()>,
}

impl Occupancy {
    /// Enters the app's repository, once nobody is removing it.
    pub async fn enter(&self, app: &AppName) -> Inside {
        let repository = self.repository(app);
        let guard = Arc::clone(&repository).read_owned().await;
        Inside { repository, guard }
    }

    /// Waits until nobody is in the app's repository, and keeps it closed.
    pub async fn alone(&self, app: &AppName) -> Alone {
        Alone { _closed: self.repository(app).write_owned().await }
    }

    /// The app's entry; those that nobody holds are forgotten.
    fn repository(&self, app: &AppName) -> Repository {
        let mut repositories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        repositories.retain(|_, repository| Arc::strong_count(repository) > 1);
        Arc::clone(repositories.entry(app.clone()).or_default())
    }
}

impl Inside {
    /// Leaves the repository, and keeps it closed if nobody else is in it.
    pub fn leave(self) -> Option<Alone> {
        drop(self.guard);
        self.repository.try_write_owned().ok().map(|_closed| Alone { _closed })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn only_the_last_one_is_alone_and_nobody_enters_meanwhile() {
        let (occupancy, app) = (Occupancy::default(), "web".parse().unwrap());
        let (first, second) = (occupancy.enter(&app).await, occupancy.enter(&app).await);
        assert!(first.leave().is_none());
        let alone = second.leave().unwrap();
        let other = "web2".parse().unwrap();
        assert!(occupancy.enter(&other).await.leave().is_some());
        assert!(timeout(Duration::from_millis(20), occupancy.enter(&app)).await.is_err());
        drop(alone);
        assert!(occupancy.enter(&app).await.leave().is_some());
        assert_eq!(occupancy.0.lock().unwrap().len(), 1);
    }
}
