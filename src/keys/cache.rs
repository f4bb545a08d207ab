//! The keys in memory, as the watch of their ConfigMaps reports them. A broken ConfigMap locks no user out: its previous keys
//! stay valid.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;

use super::index::KeyIndex;
use super::issue::KeyIssue;
use super::shard::Shard;
use crate::k8s::{SharedCache, WatchView};

/// The keys stay valid while the API server cannot be reached.
pub(super) type KeyCache = SharedCache<KeyView>;

/// The index of the keys, and the ConfigMaps that the watch no longer selects.
#[derive(Debug, Default)]
pub(super) struct KeyView {
    index: KeyIndex,
    /// ConfigMaps that were deleted or lost their label. Their keys are in the index until a read tells the two apart.
    unselected: BTreeSet<String>,
    /// Changes that are not logged yet.
    reports: Vec<ShardReport>,
}

/// A change of a ConfigMap that its operator should know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ShardReport {
    Broken { name: String, issues: Vec<KeyIssue> },
    Repaired { name: String },
    Deleted { name: String },
}

/// The state of a ConfigMap that the watch does not select, as a read found it.
#[derive(Debug)]
pub(super) enum Presence {
    Deleted,
    /// The ConfigMap exists without its label.
    Unlabelled(Box<ConfigMap>),
    /// The ConfigMap exists with its label, and the watch reports it next.
    Labelled,
    /// The API server did not respond.
    Unknown,
}

impl WatchView for KeyView {
    type Object = ConfigMap;

    const WATCH: &'static str = "keys";
    const INTERRUPTED: &'static str = "the watch of the keys fails; the cached keys stay valid";

    fn apply(&mut self, name: &str, map: ConfigMap) {
        let Some((_, shard)) = Shard::from_config_map(map) else { return };
        self.unselected.remove(name);
        let was_broken = self.index.has_issues(name);
        let issues = self.index.apply(name, shard);
        self.report_issues(name, issues);
        if was_broken && !self.index.has_issues(name) {
            self.reports.push(ShardReport::Repaired { name: name.to_owned() });
        }
    }

    fn remove(&mut self, name: &str, _: Option<ConfigMap>) {
        self.unselected.insert(name.to_owned());
    }
}

impl KeyView {
    pub(super) fn index(&self) -> &KeyIndex {
        &self.index
    }

    /// The ConfigMaps that the watch no longer selects and that were not read since.
    pub(super) fn unselected(&self) -> Vec<String> {
        self.unselected.iter().cloned().collect()
    }

    pub(super) fn take_reports(&mut self) -> Vec<ShardReport> {
        std::mem::take(&mut self.reports)
    }

    /// Applies a read of a ConfigMap that the watch did not select. Returns whether the read counts: if the watch has
    /// reported the ConfigMap in the meantime, the read is older.
    pub(super) fn conclude(&mut self, name: &str, presence: Presence) -> bool {
        let is_first_read = self.unselected.remove(name);
        if !is_first_read && !self.index.is_unlabelled(name) {
            return false;
        }
        match presence {
            Presence::Unlabelled(map) => {
                let issues = self.retain_unlabelled(name, *map);
                // Later reads find the same issue.
                if is_first_read {
                    self.report_issues(name, issues);
                }
            }
            Presence::Deleted => self.delete(name),
            // The keys may be revoked, and must not log in.
            Presence::Unknown if is_first_read => self.delete(name),
            Presence::Labelled | Presence::Unknown => {}
        }
        true
    }

    fn retain_unlabelled(&mut self, name: &str, map: ConfigMap) -> Vec<KeyIssue> {
        match self.index.shard(name).map(|shard| shard.role) {
            Some(role) => self.index.retain_unlabelled(name, Shard::with_role(map, role)),
            None => Vec::new(),
        }
    }

    fn delete(&mut self, name: &str) {
        self.index.remove(name);
        self.reports.push(ShardReport::Deleted { name: name.to_owned() });
    }

    fn report_issues(&mut self, name: &str, issues: Vec<KeyIssue>) {
        if !issues.is_empty() {
            self.reports.push(ShardReport::Broken { name: name.to_owned(), issues });
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;
    use kube::runtime::watcher::Event;

    use super::super::testing::key;
    use super::*;
    use crate::domain::labels;

    fn config_map(name: &str, user: &str, number: usize) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.into()),
                labels: Some([(labels::KEYS.to_owned(), "users".to_owned())].into()),
                ..ObjectMeta::default()
            },
            data: Some([(user.to_owned(), key(number).line().to_owned())].into()),
            ..ConfigMap::default()
        }
    }

    fn unlabelled(mut map: ConfigMap) -> ConfigMap {
        map.metadata.labels = None;
        map
    }

    fn cache_after(events: impl IntoIterator<Item = Event<ConfigMap>>) -> KeyCache {
        let cache = KeyCache::new(KeyView::default());
        events.into_iter().for_each(|event| cache.apply(Ok(event)));
        cache
    }

    fn is_known(cache: &KeyCache, number: usize) -> bool {
        cache.read(|cache| cache.view().index().identify(&key(number).fingerprint()).is_some())
    }

    fn unselected(cache: &KeyCache) -> Vec<String> {
        cache.read(|cache| cache.view().unselected())
    }

    /// Returns whether the read counted.
    fn conclude(cache: &KeyCache, name: &str, presence: Presence) -> bool {
        let mut counted = false;
        cache.update(|view| {
            counted = view.conclude(name, presence);
            counted
        });
        counted
    }

    fn take_reports(cache: &KeyCache) -> Vec<ShardReport> {
        let mut reports = Vec::new();
        cache.update(|view| {
            reports = view.take_reports();
            false
        });
        reports
    }

    #[test]
    fn a_new_list_replaces_the_keys_only_when_the_list_is_complete() {
        let first = config_map("slipway-keys-0", "alice", 1);
        let second = config_map("slipway-keys-1", "bob", 2);
        let cache = cache_after([Event::Init, Event::InitApply(first.clone())]);
        let state_after = |events: Vec<Event<ConfigMap>>| {
            for event in events {
                cache.apply(Ok(event));
                for name in unselected(&cache) {
                    conclude(&cache, &name, Presence::Deleted);
                }
            }
            (is_known(&cache, 1), is_known(&cache, 2), cache.read(|cache| cache.is_synced()))
        };
        assert_eq!(state_after(vec![]), (false, false, false));
        assert_eq!(state_after(vec![Event::InitDone, Event::Apply(second.clone())]), (true, true, true));
        assert_eq!(state_after(vec![Event::Init, Event::InitApply(second)]), (true, true, true));
        assert_eq!(state_after(vec![Event::InitDone]), (false, true, true));
        assert_eq!(state_after(vec![Event::Apply(first.clone()), Event::Delete(first)]), (false, true, true));
    }

    #[test]
    fn the_keys_of_an_unselected_config_map_stay_until_it_is_found_deleted() {
        let map = config_map("slipway-keys-0", "alice", 1);
        for (presence, is_kept) in [
            (Presence::Deleted, false),
            (Presence::Unknown, false),
            (Presence::Labelled, true),
            (Presence::Unlabelled(Box::new(unlabelled(map.clone()))), true),
        ] {
            let cache = cache_after([Event::Apply(map.clone()), Event::Delete(map.clone())]);
            assert_eq!((unselected(&cache), is_known(&cache, 1)), (vec!["slipway-keys-0".to_owned()], true));
            assert!(conclude(&cache, "slipway-keys-0", presence));
            assert_eq!((unselected(&cache), is_known(&cache, 1)), (vec![], is_kept));
        }
    }

    #[test]
    fn an_unlabelled_config_map_is_reported_once_and_stays_until_it_is_found_deleted() {
        let map = config_map("slipway-keys-0", "alice", 1);
        let cache = cache_after([Event::Apply(map.clone()), Event::Delete(map.clone())]);
        let read = || Presence::Unlabelled(Box::new(unlabelled(map.clone())));
        for reports in [1, 0] {
            conclude(&cache, "slipway-keys-0", read());
            assert_eq!(take_reports(&cache).len(), reports);
        }
        conclude(&cache, "slipway-keys-0", Presence::Unknown);
        assert!(is_known(&cache, 1));
        conclude(&cache, "slipway-keys-0", Presence::Deleted);
        assert!(!is_known(&cache, 1));
        assert_eq!(take_reports(&cache), [ShardReport::Deleted { name: "slipway-keys-0".into() }]);
    }

    #[test]
    fn a_read_that_is_older_than_an_event_does_not_count() {
        let map = config_map("slipway-keys-0", "alice", 1);
        for outdated in [Presence::Deleted, Presence::Unlabelled(Box::new(unlabelled(map.clone())))] {
            let cache = cache_after([Event::Apply(map.clone()), Event::Delete(map.clone()), Event::Apply(map.clone())]);
            assert!(!conclude(&cache, "slipway-keys-0", outdated));
            assert!(is_known(&cache, 1) && take_reports(&cache).is_empty());
        }
    }

    #[test]
    fn a_config_map_that_regains_its_label_is_reported_as_repaired() {
        let map = config_map("slipway-keys-0", "alice", 1);
        let cache = cache_after([Event::Apply(map.clone()), Event::Delete(map.clone())]);
        conclude(&cache, "slipway-keys-0", Presence::Unlabelled(Box::new(unlabelled(map.clone()))));
        take_reports(&cache);
        cache.apply(Ok(Event::Apply(map)));
        assert_eq!(take_reports(&cache), [ShardReport::Repaired { name: "slipway-keys-0".into() }]);
    }
}
