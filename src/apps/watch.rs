//! The watch that keeps the cache of apps current.

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PartialObjectMeta;
use kube::runtime::watcher::Config;
use kube::runtime::{WatchStreamExt, watcher};
use metrics::counter;

use super::app::App;
use super::error::AppsError;
use super::handle::Apps;
use crate::domain::{labels, metric_names};

/// How long a watch lasts, in seconds, before it is reopened. A connection that died silently hides changes for as
/// long.
const WATCH_SECONDS: u32 = 30;

impl Apps {
    /// All apps by name, from the cache; requested from the API server while the cache is not current.
    ///
    /// # Errors
    /// As [`Apps::list`].
    pub async fn list_cached(&self) -> Result<Vec<App>, AppsError> {
        match self.cache.list() {
            Some(apps) => Ok(apps),
            None => self.list().await,
        }
    }

    /// Watches the namespaces of apps for ever. Returns at once with an allow list: it is short, and slipway may lack
    /// the permission to watch its namespaces.
    pub async fn watch_namespaces(&self) {
        if self.has_allow_list() {
            return;
        }
        let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(self.client.clone());
        let config = Config::default().labels(labels::APP).timeout(WATCH_SECONDS);
        let mut events = watcher(namespaces, config).default_backoff().boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.cache.apply_event(event, &self.installation),
                Err(error) => {
                    counter!(metric_names::WATCH_RESTARTS_TOTAL, "watch" => "apps").increment(1);
                    if self.cache.invalidate() {
                        tracing::warn!(%error, "the apps cannot be watched; commands list them from the API server");
                    }
                }
            }
        }
    }
}
