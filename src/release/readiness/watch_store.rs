//! The objects of one kind as a watch reported them. Pure.

use std::collections::BTreeMap;
use std::fmt::Debug;

use kube::ResourceExt;

use crate::k8s::WatchView;

/// Keeps deleted objects: a deleted object has to be distinguished from one that is not created yet.
#[derive(Debug)]
pub(super) struct WatchStore<K> {
    objects: BTreeMap<String, K>,
    /// The last state of each deleted object, by UID.
    deleted: BTreeMap<String, K>,
}

impl<K> Default for WatchStore<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), deleted: BTreeMap::new() }
    }
}

impl<K: ResourceExt + Debug> WatchView for WatchStore<K> {
    type Object = K;

    const WATCH: &'static str = "rollout";
    /// The deadline of the rollout still ends the wait.
    const INTERRUPTED: &'static str = "a watch of the rollout was interrupted and resumes";

    fn apply(&mut self, name: &str, object: K) {
        self.objects.insert(name.to_owned(), object);
    }

    fn remove(&mut self, name: &str, last: Option<K>) {
        let known = self.objects.remove(name);
        if let Some(object) = last.or(known)
            && let Some(uid) = object.uid()
        {
            self.deleted.insert(uid, object);
        }
    }
}

impl<K: ResourceExt> WatchStore<K> {
    pub(super) fn get(&self, uid: &str) -> Option<&K> {
        self.iter().find(|object| object.meta().uid.as_deref() == Some(uid))
    }

    /// The last state of a deleted object.
    pub(super) fn get_deleted(&self, uid: &str) -> Option<&K> {
        self.deleted.get(uid)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &K> {
        self.objects.values()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    use super::*;

    fn pod(uid: &str, phase: &str) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "a", "uid": uid}, "status": {"phase": phase}})).unwrap()
    }

    fn phase(pod: Option<&Pod>) -> Option<&str> {
        pod?.status.as_ref()?.phase.as_deref()
    }

    #[test]
    fn the_last_known_state_of_a_deleted_object_is_kept() {
        let mut store = WatchStore::default();
        store.apply("a", pod("1", "Running"));
        assert_eq!((phase(store.get("1")), phase(store.get_deleted("1"))), (Some("Running"), None));
        store.remove("a", Some(pod("1", "Succeeded")));
        assert_eq!((phase(store.get("1")), phase(store.get_deleted("1"))), (None, Some("Succeeded")));
        store.apply("a", pod("2", "Pending"));
        store.remove("a", None);
        assert_eq!(
            (phase(store.get_deleted("1")), phase(store.get_deleted("2"))),
            (Some("Succeeded"), Some("Pending"))
        );
        store.remove("b", None);
        assert_eq!(store.iter().count(), 0);
    }
}
