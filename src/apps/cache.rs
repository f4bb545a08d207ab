//! The apps in memory, as the watch of their namespaces reports them: the API server takes far longer to list a
//! thousand namespaces than one.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PartialObjectMeta;
use kube::runtime::watcher::Config;

use super::app::App;
use crate::domain::{AppName, labels};
use crate::k8s::{SharedCache, WatchCache, WatchView};

/// How long one of slipway's own changes may take to arrive through the watch.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct AppCache(SharedCache<AppMap>);

/// The apps of this installation.
#[derive(Debug)]
pub(super) struct AppMap {
    installation: String,
    /// By the name of the namespace.
    apps: BTreeMap<String, App>,
}

impl WatchView for AppMap {
    type Object = PartialObjectMeta<Namespace>;

    const WATCH: &'static str = "apps";
    const INTERRUPTED: &'static str = "the apps cannot be watched; commands list them from the API server";

    fn apply(&mut self, name: &str, namespace: Self::Object) {
        match App::from_metadata(&namespace.metadata, &self.installation) {
            Some(app) => drop(self.apps.insert(name.to_owned(), app)),
            None => self.remove(name, None),
        }
    }

    fn remove(&mut self, name: &str, _: Option<Self::Object>) {
        self.apps.remove(name);
    }
}

impl AppCache {
    pub(super) fn new(installation: &str) -> Self {
        Self(SharedCache::new(AppMap { installation: installation.to_owned(), apps: BTreeMap::new() }))
    }

    /// Watches the namespaces of apps for ever.
    pub(super) async fn run(&self, namespaces: Api<PartialObjectMeta<Namespace>>) {
        self.0.run(namespaces, Config::default().labels(labels::APP)).await;
    }

    /// All apps by name; `None` while the cache is not current.
    pub(super) fn list(&self) -> Option<Vec<App>> {
        self.0.read(|cache| cache.is_current().then(|| cache.view().apps.values().cloned().collect()))
    }

    /// One app; the outer `None` while the cache is not current.
    pub(super) fn get(&self, app: &AppName) -> Option<Option<App>> {
        self.0.read(|cache| cache.is_current().then(|| cache.view().apps.get(app.as_str()).cloned()))
    }

    /// Waits until the cache has the environment that slipway gave an app.
    pub(super) async fn wait_environment(&self, app: &AppName, environment: Option<&str>) {
        let has = |apps: &BTreeMap<String, App>| {
            apps.get(app.as_str()).is_some_and(|app| app.environment.as_deref() == environment)
        };
        self.wait_visible(has).await;
    }

    /// Waits until the cache contains an app that slipway created, so that the next list contains it.
    pub(super) async fn wait_listed(&self, app: &AppName) {
        self.wait_visible(|apps| apps.contains_key(app.as_str())).await;
    }

    /// Waits until the cache no longer contains an app that slipway deleted.
    pub(super) async fn wait_unlisted(&self, app: &AppName) {
        self.wait_visible(|apps| !apps.contains_key(app.as_str())).await;
    }

    /// After [`VISIBILITY_TIMEOUT`] the cache counts as outdated, so that the next list comes from the API server.
    async fn wait_visible(&self, is_visible: impl Fn(&BTreeMap<String, App>) -> bool) {
        let condition = |cache: &WatchCache<AppMap>| !cache.is_current() || is_visible(&cache.view().apps);
        if !self.0.wait_until(condition, VISIBILITY_TIMEOUT).await {
            self.0.mark_outdated();
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::{Error, Event};
    use serde_json::json;

    use super::*;

    fn namespace(name: &str) -> PartialObjectMeta<Namespace> {
        let metadata = json!({
            "name": name,
            "labels": {labels::APP: name},
            "annotations": {labels::OWNER: "alice", labels::INSTALLATION: "slipway"},
        });
        serde_json::from_value(json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                                      "metadata": metadata}))
        .unwrap()
    }

    fn names(cache: &AppCache) -> Option<Vec<String>> {
        Some(cache.list()?.iter().map(|app| app.name.to_string()).collect())
    }

    fn cache_after(events: impl IntoIterator<Item = Event<PartialObjectMeta<Namespace>>>) -> AppCache {
        let cache = AppCache::new("slipway");
        events.into_iter().for_each(|event| cache.0.apply(Ok(event)));
        cache
    }

    #[test]
    fn the_cache_is_current_once_the_first_list_is_complete() {
        let cache = cache_after([Event::Init, Event::InitApply(namespace("b")), Event::InitApply(namespace("a"))]);
        assert_eq!(names(&cache), None);
        cache.0.apply(Ok(Event::InitDone));
        assert_eq!(names(&cache).unwrap(), ["a", "b"]);
        cache.0.apply(Ok(Event::Apply(namespace("c"))));
        cache.0.apply(Ok(Event::Delete(namespace("a"))));
        let mut released = namespace("b");
        released.metadata.annotations = None;
        cache.0.apply(Ok(Event::Apply(released)));
        assert_eq!(names(&cache).unwrap(), ["c"]);
    }

    #[test]
    fn an_interrupted_watch_invalidates_the_cache() {
        let cache = cache_after([Event::Init, Event::InitApply(namespace("a")), Event::InitDone]);
        cache.0.apply(Err(Error::NoResourceVersion));
        assert_eq!(names(&cache), None);
        for event in [Event::Init, Event::InitDone] {
            cache.0.apply(Ok(event));
        }
        assert_eq!(names(&cache).unwrap(), Vec::<String>::new(), "an app that is not listed again is gone");
    }

    #[tokio::test]
    async fn a_change_that_does_not_become_visible_in_time_invalidates_the_cache() {
        let cache = cache_after([Event::Init, Event::InitApply(namespace("a")), Event::InitDone]);
        cache.wait_listed(&"a".parse().unwrap()).await;
        assert!(cache.list().is_some());
        cache.wait_unlisted(&"a".parse().unwrap()).await;
        assert!(cache.list().is_none());
    }
}
