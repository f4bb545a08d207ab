//! The apps in memory, as the watch of their namespaces reports them: the API server takes far longer to list a
//! thousand namespaces than one.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::PartialObjectMeta;
use kube::runtime::watcher::Event;
use tokio::sync::watch;

use super::app::App;
use crate::domain::AppName;

/// How long one of slipway's own changes may take to arrive through the watch.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct AppCache(watch::Sender<State>);

#[derive(Default)]
struct State {
    apps: BTreeMap<AppName, App>,
    /// The apps of a list that is not complete yet.
    listing: BTreeMap<AppName, App>,
    /// Whether `apps` is complete: false before the first list and while the watch is interrupted.
    is_current: bool,
}

impl Default for AppCache {
    fn default() -> Self {
        Self(watch::Sender::new(State::default()))
    }
}

impl AppCache {
    /// All apps by name; `None` while the cache is not current.
    pub(super) fn list(&self) -> Option<Vec<App>> {
        let state = self.0.borrow();
        state.is_current.then(|| state.apps.values().cloned().collect())
    }

    /// Waits until the cache shows a change that slipway made, so that the next list contains it. Invalidates the cache
    /// after [`VISIBILITY_TIMEOUT`].
    pub(super) async fn wait_visible(&self, app: &AppName, exists: bool) {
        let mut states = self.0.subscribe();
        let visible = states.wait_for(|state| !state.is_current || state.apps.contains_key(app) == exists);
        if tokio::time::timeout(VISIBILITY_TIMEOUT, visible).await.is_err() {
            self.invalidate();
        }
    }

    pub(super) fn apply_event(&self, event: Event<PartialObjectMeta<Namespace>>, installation: &str) {
        let app = |namespace: PartialObjectMeta<Namespace>| App::from_metadata(&namespace.metadata, installation);
        let name =
            |namespace: &PartialObjectMeta<Namespace>| namespace.metadata.name.as_deref()?.parse::<AppName>().ok();
        self.0.send_modify(|state| match event {
            Event::Init => state.listing.clear(),
            Event::InitApply(namespace) => {
                state.listing.extend(app(namespace).map(|app| (app.name.clone(), app)));
            }
            Event::InitDone => {
                state.apps = std::mem::take(&mut state.listing);
                state.is_current = true;
            }
            Event::Apply(namespace) => {
                name(&namespace).map(|name| state.apps.remove(&name));
                state.apps.extend(app(namespace).map(|app| (app.name.clone(), app)));
                state.is_current = true;
            }
            Event::Delete(namespace) => {
                name(&namespace).map(|name| state.apps.remove(&name));
                state.is_current = true;
            }
        });
    }

    /// Returns whether the cache was current before.
    pub(super) fn invalidate(&self) -> bool {
        self.0.send_if_modified(|state| std::mem::take(&mut state.is_current))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::labels;

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
        let cache = AppCache::default();
        events.into_iter().for_each(|event| cache.apply_event(event, "slipway"));
        cache
    }

    #[test]
    fn the_cache_is_current_once_the_first_list_is_complete() {
        let cache = cache_after([Event::Init, Event::InitApply(namespace("b")), Event::InitApply(namespace("a"))]);
        assert_eq!(names(&cache), None);
        cache.apply_event(Event::InitDone, "slipway");
        assert_eq!(names(&cache).unwrap(), ["a", "b"]);
        cache.apply_event(Event::Apply(namespace("c")), "slipway");
        cache.apply_event(Event::Delete(namespace("a")), "slipway");
        let mut released = namespace("b");
        released.metadata.annotations = None;
        cache.apply_event(Event::Apply(released), "slipway");
        assert_eq!(names(&cache).unwrap(), ["c"]);
    }

    #[test]
    fn an_interrupted_watch_invalidates_the_cache() {
        let cache = cache_after([Event::Init, Event::InitApply(namespace("a")), Event::InitDone]);
        assert!(cache.invalidate() && !cache.invalidate());
        assert_eq!(names(&cache), None);
        for event in [Event::Init, Event::InitDone] {
            cache.apply_event(event, "slipway");
        }
        assert_eq!(names(&cache).unwrap(), Vec::<String>::new(), "an app that is not listed again is gone");
    }

    #[tokio::test]
    async fn a_change_that_does_not_become_visible_in_time_invalidates_the_cache() {
        let cache = cache_after([Event::Init, Event::InitApply(namespace("a")), Event::InitDone]);
        cache.wait_visible(&"a".parse().unwrap(), true).await;
        assert!(cache.list().is_some());
        cache.wait_visible(&"a".parse().unwrap(), false).await;
        assert!(cache.list().is_none());
    }
}
