//! Caches, fed with events without a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ObjectMeta;
use kube::runtime::watcher::{self, Config, Error, Event};
use serde_json::json;

use super::*;
use crate::testing::fake_api_server;

const LIMIT: Duration = Duration::from_secs(5);

/// The UID of each ConfigMap, and what was removed: the name, and the UID of the last state if the watch reported it.
#[derive(Debug, Default)]
struct TestView {
    uids: BTreeMap<String, String>,
    removed: Vec<(String, Option<String>)>,
}

impl WatchView for TestView {
    type Object = ConfigMap;

    const WATCH: &'static str = "test";
    const INTERRUPTED: &'static str = "the watch of the test was interrupted";

    fn apply(&mut self, name: &str, object: ConfigMap) {
        self.uids.insert(name.to_owned(), object.metadata.uid.unwrap_or_default());
    }

    fn remove(&mut self, name: &str, last: Option<ConfigMap>) {
        self.uids.remove(name);
        self.removed.push((name.to_owned(), last.and_then(|object| object.metadata.uid)));
    }
}

fn config_map(name: &str, uid: &str) -> ConfigMap {
    let metadata = ObjectMeta { name: Some(name.into()), uid: Some(uid.into()), ..ObjectMeta::default() };
    ConfigMap { metadata, ..ConfigMap::default() }
}

fn list(objects: &[(&str, &str)]) -> Vec<Event<ConfigMap>> {
    let listed = objects.iter().map(|(name, uid)| Event::InitApply(config_map(name, uid)));
    [Event::Init].into_iter().chain(listed).chain([Event::InitDone]).collect()
}

fn cache_after(events: impl IntoIterator<Item = Event<ConfigMap>>) -> WatchCache<TestView> {
    let mut cache = WatchCache::default();
    feed(&mut cache, events);
    cache
}

fn feed(cache: &mut WatchCache<TestView>, events: impl IntoIterator<Item = Event<ConfigMap>>) {
    for event in events {
        cache.apply(Ok(event));
    }
}

fn names(cache: &WatchCache<TestView>) -> Vec<&str> {
    cache.view().uids.keys().map(String::as_str).collect()
}

fn removed(cache: &WatchCache<TestView>) -> Vec<(&str, Option<&str>)> {
    cache.view().removed.iter().map(|(name, uid)| (name.as_str(), uid.as_deref())).collect()
}

fn interruption() -> watcher::Result<Event<ConfigMap>> {
    Err(Error::NoResourceVersion)
}

#[test]
fn a_cache_is_synced_and_current_once_the_first_list_is_complete() {
    let mut cache = cache_after([Event::Init, Event::InitApply(config_map("a", "1"))]);
    assert_eq!((names(&cache), cache.is_synced(), cache.is_current()), (vec![], false, false));
    assert!(cache.apply(Ok(Event::InitDone)));
    assert_eq!((names(&cache), cache.is_synced(), cache.is_current()), (vec!["a"], true, true));
    assert!(cache_after(list(&[])).is_synced(), "the list may be empty");
}

#[test]
fn a_new_list_replaces_the_view_at_once_and_removes_what_it_does_not_contain() {
    let mut cache = cache_after(list(&[("a", "1"), ("b", "2"), ("c", "3")]));
    let mut new_list = list(&[("b", "2"), ("c", "other"), ("d", "4")]);
    let done = new_list.pop().unwrap();
    for event in new_list {
        assert!(!cache.apply(Ok(event)), "nothing changes before the list is complete");
        assert_eq!((names(&cache), removed(&cache)), (vec!["a", "b", "c"], vec![]));
    }
    assert!(cache.apply(Ok(done)));
    assert_eq!(names(&cache), ["b", "c", "d"]);
    assert_eq!(cache.view().uids["c"], "other");
    assert_eq!(removed(&cache), [("a", None), ("c", None)], "another object of the same name replaced c");
}

#[test]
fn a_list_that_was_not_completed_has_no_effect() {
    let mut cache = cache_after(list(&[("a", "1")]));
    feed(&mut cache, [Event::InitApply(config_map("b", "2"))]);
    cache.apply(interruption());
    feed(&mut cache, [Event::InitApply(config_map("a", "1")), Event::InitDone]);
    assert_eq!((names(&cache), removed(&cache)), (vec!["a"], vec![]));
}

#[test]
fn the_last_state_of_a_deleted_object_reaches_the_view() {
    let mut cache = cache_after(list(&[("a", "1")]));
    cache.apply(Ok(Event::Delete(config_map("a", "1"))));
    assert_eq!(removed(&cache), [("a", Some("1"))]);
    cache.apply(Ok(Event::Apply(config_map("a", "2"))));
    feed(&mut cache, list(&[]));
    assert_eq!(removed(&cache), [("a", Some("1")), ("a", None)]);
}

#[test]
fn an_interrupted_cache_keeps_its_view_and_is_current_again_after_the_next_event() {
    for next in [Event::Apply(config_map("b", "2")), Event::Delete(config_map("b", "2")), Event::InitDone] {
        let mut cache = cache_after(list(&[("a", "1")]));
        assert!(cache.apply(interruption()) && cache.apply(interruption()));
        assert_eq!((names(&cache), cache.is_synced(), cache.is_current()), (vec!["a"], true, false));
        // the beginning of a list does not show that the list works
        assert!(!cache.apply(Ok(Event::Init)));
        assert!(!cache.is_current());
        cache.apply(Ok(next));
        assert!(cache.is_current());
    }
}

#[test]
fn an_outdated_cache_is_current_again_after_the_next_event() {
    let cache = SharedCache::new(TestView::default());
    list(&[("a", "1")]).into_iter().for_each(|event| cache.apply(Ok(event)));
    cache.mark_outdated();
    assert!(cache.read(|cache| cache.is_synced() && !cache.is_current()));
    cache.apply(Ok(Event::Apply(config_map("b", "2"))));
    assert!(cache.read(WatchCache::is_current));
}

#[tokio::test]
async fn a_condition_is_awaited_until_a_change_meets_it() {
    let cache = Arc::new(SharedCache::new(TestView::default()));
    let waiting = {
        let cache = cache.clone();
        tokio::spawn(async move { cache.wait_until(|cache| names(cache) == ["a", "b"], LIMIT).await })
    };
    list(&[("a", "1")]).into_iter().for_each(|event| cache.apply(Ok(event)));
    assert!(!cache.wait_until(|cache| names(cache) == ["a", "b"], Duration::from_millis(20)).await);
    cache.apply(Ok(Event::Apply(config_map("b", "2"))));
    assert!(waiting.await.unwrap());
    assert!(cache.wait_until(WatchCache::is_synced, Duration::ZERO).await, "a condition that is met needs no change");
}

#[tokio::test]
async fn an_update_notifies_waiters_only_of_a_change() {
    let cache = SharedCache::new(TestView::default());
    let changes = cache.subscribe();
    cache.update(|_| false);
    assert!(!changes.has_changed().unwrap());
    cache.update(|view| view.uids.insert("a".into(), "1".into()).is_none());
    assert!(changes.has_changed().unwrap());
}

/// Otherwise each list that fails would reset the delay.
#[tokio::test]
async fn a_list_that_fails_is_an_error_and_no_event() {
    let client = fake_api_server(|_| (500, json!({"kind": "Status", "status": "Failure", "code": 500})));
    let events = watch_events::<ConfigMap>(Api::default_namespaced(client), Config::default());
    let events: Vec<_> = events.take(2).collect().await;
    assert!(events.iter().all(Result::is_err), "{events:?}");
}

/// The API server fails the first list. Each watch reports one object and ends.
#[tokio::test]
async fn a_watch_resumes_after_a_failure() {
    let lists = Arc::<AtomicU32>::default();
    let client = fake_api_server(move |request| {
        if request.uri().query().is_some_and(|query| query.contains("watch=true")) {
            let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {
                "name": "b", "resourceVersion": "2", "managedFields": [{"manager": "kubectl"}]}});
            return (200, json!({"type": "ADDED", "object": object}));
        }
        match lists.fetch_add(1, Ordering::Relaxed) {
            0 => (500, json!({"kind": "Status", "status": "Failure", "code": 500})),
            _ => {
                let items = json!([{"metadata": {"name": "a"}}]);
                let metadata = json!({"resourceVersion": "1"});
                (200, json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": items}))
            }
        }
    });
    let cache = SharedCache::new(TestView::default());
    let running = cache.run(Api::default_namespaced(client), Config::default());
    let both = cache.wait_until(|cache| names(cache) == ["a", "b"], LIMIT);
    tokio::select! {
        () = running => panic!("the watch ended"),
        met = both => assert!(met),
    }
}
