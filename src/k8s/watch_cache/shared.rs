//! A cache with a running watch, and with readers that wait for its changes.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::Api;
use kube::runtime::watcher::{self, Config, Event};
use tokio::sync::watch;
use tokio::time::timeout;

use super::cache::{WatchCache, WatchView};
use super::events::watch_events;

/// A [`WatchCache`] for several tasks.
#[derive(Debug)]
pub struct SharedCache<V: WatchView>(watch::Sender<WatchCache<V>>);

impl<V: WatchView> SharedCache<V> {
    pub fn new(view: V) -> Self {
        Self(watch::Sender::new(WatchCache::new(view)))
    }

    /// Runs the watch for ever.
    pub async fn run(&self, api: Api<V::Object>, config: Config)
    where
        V::Object: Clone + DeserializeOwned + Send + 'static,
    {
        let mut events = pin!(watch_events(api, config));
        while let Some(event) = events.next().await {
            self.apply(event);
        }
    }

    pub fn apply(&self, event: watcher::Result<Event<V::Object>>) {
        self.0.send_if_modified(|cache| cache.apply(event));
    }

    /// Holds a lock for reading during `query`.
    pub fn read<T>(&self, query: impl FnOnce(&WatchCache<V>) -> T) -> T {
        query(&self.0.borrow())
    }

    /// Changes the view by something that its watch does not report. Waiters are notified if `change` returns true.
    pub fn update(&self, change: impl FnOnce(&mut V) -> bool) {
        self.0.send_if_modified(|cache| change(cache.view_mut()));
    }

    /// The view counts as outdated until the next event.
    pub fn mark_outdated(&self) {
        self.0.send_modify(WatchCache::mark_outdated);
    }

    /// A receiver that is notified of every change from now on.
    pub fn subscribe(&self) -> watch::Receiver<WatchCache<V>> {
        self.0.subscribe()
    }

    /// Waits until the cache meets the condition. Returns false after `limit`.
    pub async fn wait_until(&self, condition: impl FnMut(&WatchCache<V>) -> bool, limit: Duration) -> bool {
        let mut changes = self.0.subscribe();
        timeout(limit, changes.wait_for(condition)).await.is_ok_and(|met| met.is_ok())
    }
}
