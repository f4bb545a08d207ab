//! The objects of one kind as a watch reported them. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt;
use kube::runtime::watcher::Event;

/// Keeps deleted objects, unlike the reflector store of kube: a deleted object has to be distinguished from one that is
/// not created yet.
#[derive(Debug)]
pub(super) struct WatchStore<K> {
    objects: BTreeMap<String, K>,
    /// The objects of a list that is not complete yet.
    listing: Option<BTreeMap<String, K>>,
    /// The last state of each deleted object, by UID.
    deleted: BTreeMap<String, K>,
}

impl<K> Default for WatchStore<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), listing: None, deleted: BTreeMap::new() }
    }
}

impl<K: ResourceExt> WatchStore<K> {
    pub(super) fn apply_event(&mut self, event: Event<K>) {
        match event {
            Event::Init => self.listing = Some(BTreeMap::new()),
            Event::InitApply(object) => {
                self.listing.get_or_insert_default().insert(object.name_any(), object);
            }
            Event::InitDone => {
                let previous = std::mem::replace(&mut self.objects, self.listing.take().unwrap_or_default());
                for object in previous.into_values() {
                    let remains = self.objects.values().any(|listed| listed.uid() == object.uid());
                    if !remains {
                        self.record_deleted(object);
                    }
                }
            }
            Event::Apply(object) => {
                self.objects.insert(object.name_any(), object);
            }
            Event::Delete(object) => {
                self.objects.remove(&object.name_any());
                self.record_deleted(object);
            }
        }
    }

    fn record_deleted(&mut self, object: K) {
        if let Some(uid) = object.uid() {
            self.deleted.insert(uid, object);
        }
    }

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
