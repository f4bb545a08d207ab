//! The keys in memory, as the watch of their ConfigMaps reports them.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::events::KeyEventRecorder;
use super::index::KeyIndex;
use super::parse::AuthorizedKey;
use crate::auth::UploadGrant;

/// How long an upload waits until the watch reports its keys.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct KeyCache {
    index: RwLock<KeyIndex>,
    /// Whether the first list is complete; receivers are notified of every update of the index.
    synced: watch::Sender<bool>,
    events: Option<KeyEventRecorder>,
}

impl KeyCache {
    /// An empty cache, which publishes issues of ConfigMaps as Kubernetes Events if it has a recorder.
    pub(super) fn new(events: Option<KeyEventRecorder>) -> Self {
        Self { index: RwLock::default(), synced: watch::Sender::new(false), events }
    }

    pub(super) fn report_issues(&self, config_map: &str, issues: &str) {
        if let Some(events) = &self.events {
            events.publish_issues(config_map, issues);
        }
    }

    pub(super) fn is_synced(&self) -> bool {
        *self.synced.borrow()
    }

    pub(super) fn mark_synced(&self) {
        self.synced.send_replace(true);
    }

    /// Returns false if the first list is not complete after `limit`.
    pub(super) async fn wait_synced(&self, limit: Duration) -> bool {
        let mut synced = self.synced.subscribe();
        timeout(limit, synced.wait_for(|synced| *synced)).await.is_ok_and(|result| result.is_ok())
    }

    pub(super) fn read<T>(&self, query: impl FnOnce(&KeyIndex) -> T) -> T {
        query(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn update<T>(&self, update: impl FnOnce(&mut KeyIndex) -> T) -> T {
        let result = update(&mut self.index.write().unwrap_or_else(PoisonError::into_inner));
        self.read(KeyIndex::metrics).export();
        self.synced.send_modify(|_| {});
        result
    }

    /// Waits until the index contains these keys. Returns false after [`VISIBILITY_TIMEOUT`].
    pub(super) async fn wait_visible(&self, grant: &UploadGrant, keys: &[AuthorizedKey]) -> bool {
        let has_all =
            |index: &KeyIndex| keys.iter().all(|key| index.has_key(&key.fingerprint(), grant.user(), grant.role()));
        let mut updates = self.synced.subscribe();
        let visible = updates.wait_for(|_| self.read(has_all));
        timeout(VISIBILITY_TIMEOUT, visible).await.is_ok_and(|result| result.is_ok())
    }
}
