//! What a watch has reported of one kind. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt;
use kube::runtime::watcher::Event;

/// The objects of one kind that a watch has reported.
#[derive(Debug)]
pub struct Cache<K> {
    objects: BTreeMap<String, K>,
    /// Those of a list that is not complete yet.
    listing: Option<BTreeMap<String, K>>,
    /// Those that were seen and have vanished, by their identity, as they were seen last. What was never seen may not
    /// have been made yet.
    gone: BTreeMap<String, K>,
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), listing: None, gone: BTreeMap::new() }
    }
}

impl<K: ResourceExt> Cache<K> {
    /// Takes in what the watch reported.
    pub fn observe(&mut self, event: Event<K>) {
        match event {
            Event::Init => self.listing = Some(BTreeMap::new()),
            Event::InitApply(object) => {
                self.listing.get_or_insert_default().insert(object.name_any(), object);
            }
            Event::InitDone => {
                let known = std::mem::replace(&mut self.objects, self.listing.take().unwrap_or_default());
                for object in known.into_values() {
                    let remains = self.objects.values().any(|listed| listed.uid() == object.uid());
                    if !remains {
                        self.lose(object);
                    }
                }
            }
            Event::Apply(object) => {
                self.objects.insert(object.name_any(), object);
            }
            Event::Delete(object) => {
                self.objects.remove(&object.name_any());
                self.lose(object);
            }
        }
    }

    fn lose(&mut self, object: K) {
        if let Some(uid) = object.uid() {
            self.gone.insert(uid, object);
        }
    }

    /// The object with this identity.
    pub fn get(&self, uid: &str) -> Option<&K> {
        self.iter().find(|object| object.meta().uid.as_deref() == Some(uid))
    }

    /// The object with this identity as it was last, if it has vanished.
    pub fn gone(&self, uid: &str) -> Option<&K> {
        self.gone.get(uid)
    }

    /// All that are there.
    pub fn iter(&self) -> impl Iterator<Item = &K> {
        self.objects.values()
    }
}
