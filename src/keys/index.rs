//! The index of all keys by fingerprint.
//!
//! An update of a ConfigMap parses only the entries that changed, so that its cost does not grow with the number of
//! keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use russh::keys::ssh_key::Fingerprint;

use super::issue::KeyIssue;
use super::key_metrics::KeyMetrics;
use super::parse::parse_lines;
use super::shard::Shard;
use crate::auth::{Identity, Role};
use crate::domain::UserName;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Location {
    shard: Arc<str>,
    user: UserName,
    role: Role,
}

/// One user's keys in one ConfigMap.
type Entry = Vec<Fingerprint>;

#[derive(Debug)]
struct IndexedShard {
    name: Arc<str>,
    /// The stored content.
    shard: Shard,
    /// The valid keys. They include the previous keys of broken entries, which are no longer stored.
    entries: BTreeMap<UserName, Entry>,
    /// By the name of the entry, or under [`SHARD_LEVEL`].
    issues: BTreeMap<String, Vec<KeyIssue>>,
    size: usize,
}

/// The name for issues of a whole ConfigMap. Kubernetes permits no entry of this name.
const SHARD_LEVEL: &str = "";

#[derive(Debug, Default)]
pub(super) struct KeyIndex {
    shards: BTreeMap<String, IndexedShard>,
    by_fingerprint: HashMap<Fingerprint, Vec<Location>>,
    /// The number of keys that belong to two users.
    ambiguous: usize,
}

impl KeyIndex {
    #[cfg(test)]
    pub(super) fn from_shards(shards: impl IntoIterator<Item = (String, Shard)>) -> Self {
        let mut index = Self::default();
        index.replace(shards);
        index
    }

    /// Applies a complete list of the ConfigMaps, and removes all others.
    pub(super) fn replace(&mut self, shards: impl IntoIterator<Item = (String, Shard)>) {
        let mut names = BTreeSet::new();
        for (name, shard) in shards {
            self.apply(&name, shard);
            names.insert(name);
        }
        self.retain(&names);
    }

    /// Finds the user of a key. A key that belongs to two users identifies neither: a guess would let one impersonate
    /// the other.
    pub(super) fn identify(&self, key: &Fingerprint) -> Option<Identity> {
        let locations = self.by_fingerprint.get(key)?;
        let user = &locations.first()?.user;
        let admin = locations.iter().any(|location| location.role == Role::Admin);
        (!is_ambiguous(locations)).then(|| Identity { user: user.clone(), admin, fingerprint: key.to_string() })
    }

    pub(super) fn is_owned_by_other(&self, key: &Fingerprint, user: &UserName) -> bool {
        self.locations(key).any(|location| location.user != *user)
    }

    /// Whether the user has this key with at least `role`.
    pub(super) fn has_key(&self, key: &Fingerprint, user: &UserName, role: Role) -> bool {
        self.locations(key).any(|location| location.user == *user && location.role >= role)
    }

    fn locations(&self, key: &Fingerprint) -> impl Iterator<Item = &Location> {
        self.by_fingerprint.get(key).into_iter().flatten()
    }

    /// The number of distinct keys of a user.
    pub(super) fn count_keys_of(&self, user: &UserName) -> usize {
        let entries = self.shards.values().filter_map(|shard| shard.entries.get(user));
        entries.flatten().collect::<BTreeSet<_>>().len()
    }

    /// The number of distinct keys.
    pub(super) fn len(&self) -> usize {
        self.by_fingerprint.len()
    }

    pub(super) fn shards(&self) -> impl Iterator<Item = (&str, &Shard)> {
        self.shards.iter().map(|(name, indexed)| (name.as_str(), &indexed.shard))
    }

    pub(super) fn contains_shard(&self, name: &str) -> bool {
        self.shards.contains_key(name)
    }

    pub(super) fn metrics(&self) -> KeyMetrics {
        let shards = self.shards.values();
        let is_rejected =
            |issue: &&KeyIssue| matches!(issue, KeyIssue::InvalidUserName { .. } | KeyIssue::InvalidLine { .. });
        KeyMetrics {
            keys: self.by_fingerprint.len(),
            ambiguous: self.ambiguous,
            maps: self.shards.len(),
            broken: shards.clone().filter(|indexed| !indexed.issues.is_empty()).count(),
            rejected: shards.clone().flat_map(|indexed| indexed.issues.values().flatten()).filter(is_rejected).count(),
            bytes: shards.map(|indexed| indexed.size).sum(),
        }
    }

    pub(super) fn has_issues(&self, name: &str) -> bool {
        self.shards.get(name).is_some_and(|indexed| !indexed.issues.is_empty())
    }

    pub(super) fn shard(&self, name: &str) -> Option<&Shard> {
        self.shards.get(name).map(|indexed| &indexed.shard)
    }

    /// The ConfigMaps that lost their label.
    pub(super) fn unlabelled_shards(&self) -> Vec<String> {
        self.shards.keys().filter(|name| self.is_unlabelled(name)).cloned().collect()
    }

    pub(super) fn is_unlabelled(&self, name: &str) -> bool {
        self.shards.get(name).is_some_and(|indexed| indexed.has_shard_issue(&KeyIssue::Unlabelled))
    }

    /// Applies the content of a ConfigMap that lost its label: its keys stay valid. Returns the issues.
    pub(super) fn retain_unlabelled(&mut self, name: &str, shard: Shard) -> Vec<KeyIssue> {
        let mut issues = self.apply(name, shard);
        if let Some(indexed) = self.shards.get_mut(name) {
            indexed.issues.entry(SHARD_LEVEL.to_owned()).or_default().push(KeyIssue::Unlabelled);
            issues.push(KeyIssue::Unlabelled);
        }
        issues
    }

    /// Applies the content of a ConfigMap that was created or changed. Returns the issues of the entries that changed.
    pub(super) fn apply(&mut self, name: &str, shard: Shard) -> Vec<KeyIssue> {
        if self.shards.get(name).is_some_and(|indexed| indexed.shard.role != shard.role) {
            self.remove(name);
        }
        if self.is_emptied(name, &shard) {
            return self.retain_emptied(name, shard);
        }
        let (name, old_lines, mut entries, mut issues) = match self.shards.remove(name) {
            Some(indexed) => (indexed.name, indexed.shard.entries, indexed.entries, indexed.issues),
            None => (Arc::from(name), BTreeMap::new(), BTreeMap::new(), BTreeMap::new()),
        };
        issues.retain(|entry, _| shard.entries.contains_key(entry));
        let location = |user: &UserName| Location { shard: name.clone(), user: user.clone(), role: shard.role };
        let removed = entries.keys().filter(|user| !shard.entries.contains_key(user.as_str()));
        for user in removed.cloned().collect::<Vec<_>>() {
            self.remove_locations(&location(&user), &entries.remove(&user).unwrap_or_default());
        }
        let mut new_issues = Vec::new();
        for (entry, lines) in shard.entries.iter().filter(|(entry, lines)| old_lines.get(*entry) != Some(*lines)) {
            let entry_issues = match entry.parse::<UserName>() {
                Ok(user) => {
                    let old_keys = entries.remove(&user).unwrap_or_default();
                    self.remove_locations(&location(&user), &old_keys);
                    let (keys, entry_issues) = parse_entry(&user, lines, old_keys);
                    new_issues.extend(self.insert_locations(&location(&user), &keys));
                    entries.insert(user, keys);
                    entry_issues
                }
                Err(_) => vec![KeyIssue::InvalidUserName { name: entry.clone() }],
            };
            new_issues.extend(entry_issues.iter().cloned());
            issues.insert(entry.clone(), entry_issues);
        }
        issues.retain(|_, issues| !issues.is_empty());
        let size = shard.size();
        self.shards.insert(name.to_string(), IndexedShard { name, shard, entries, issues, size });
        new_issues
    }

    /// Whether all entries of the ConfigMap were removed by accident. Revoking the keys of a user removes one entry;
    /// the removal of several entries at once, or of the last admin, is a mistake or an attempt to lock all others out.
    fn is_emptied(&self, name: &str, shard: &Shard) -> bool {
        let Some(indexed) = self.shards.get(name).filter(|_| shard.entries.is_empty()) else { return false };
        let has_admins = |(other, indexed): (&String, &IndexedShard)| {
            other != name && indexed.shard.role == Role::Admin && indexed.entries.values().any(|keys| !keys.is_empty())
        };
        let is_last_admin_shard = shard.role == Role::Admin && !self.shards.iter().any(has_admins);
        let users = indexed.entries.values().filter(|keys| !keys.is_empty()).count();
        indexed.has_shard_issue(&KeyIssue::Emptied) || users > 1 || (users == 1 && is_last_admin_shard)
    }

    /// Applies an emptied ConfigMap: its previous keys stay valid.
    fn retain_emptied(&mut self, name: &str, shard: Shard) -> Vec<KeyIssue> {
        if let Some(indexed) = self.shards.get_mut(name) {
            (indexed.shard, indexed.size) = (shard, 0);
            indexed.issues = BTreeMap::from([(SHARD_LEVEL.to_owned(), vec![KeyIssue::Emptied])]);
        }
        vec![KeyIssue::Emptied]
    }

    /// Removes a ConfigMap that was deleted.
    pub(super) fn remove(&mut self, name: &str) {
        let Some(indexed) = self.shards.remove(name) else { return };
        for (user, keys) in indexed.entries {
            self.remove_locations(&Location { shard: indexed.name.clone(), user, role: indexed.shard.role }, &keys);
        }
    }

    /// Removes the ConfigMaps that `names` does not contain.
    pub(super) fn retain(&mut self, names: &BTreeSet<String>) {
        let removed: Vec<String> = self.shards.keys().filter(|name| !names.contains(*name)).cloned().collect();
        removed.iter().for_each(|name| self.remove(name));
    }

    fn remove_locations(&mut self, location: &Location, keys: &[Fingerprint]) {
        for key in keys {
            if let Some(locations) = self.by_fingerprint.get_mut(key) {
                let was_ambiguous = is_ambiguous(locations);
                locations.retain(|other| other != location);
                self.ambiguous -= usize::from(was_ambiguous && !is_ambiguous(locations));
                if locations.is_empty() {
                    self.by_fingerprint.remove(key);
                }
            }
        }
    }

    fn insert_locations(&mut self, location: &Location, keys: &[Fingerprint]) -> Vec<KeyIssue> {
        let mut issues = Vec::new();
        for key in keys {
            let locations = self.by_fingerprint.entry(*key).or_default();
            if let Some(other) = locations.iter().find(|other| other.user != location.user) {
                let (first, second) = (other.user.clone(), location.user.clone());
                issues.push(KeyIssue::DuplicateKey { fingerprint: *key, first, second });
            }
            let was_ambiguous = is_ambiguous(locations);
            locations.push(location.clone());
            self.ambiguous += usize::from(!was_ambiguous && is_ambiguous(locations));
        }
        issues
    }
}

impl IndexedShard {
    fn has_shard_issue(&self, issue: &KeyIssue) -> bool {
        self.issues.get(SHARD_LEVEL).is_some_and(|issues| issues.contains(issue))
    }
}

/// Whether a key belongs to two users.
fn is_ambiguous(locations: &[Location]) -> bool {
    locations.first().is_some_and(|first| locations.iter().any(|location| location.user != first.user))
}

/// Parses the lines of one user, without those that are invalid. If no valid line is left, the entry was damaged rather
/// than edited, and `old_keys` stay valid.
fn parse_entry(user: &UserName, text: &str, old_keys: Entry) -> (Entry, Vec<KeyIssue>) {
    let mut keys = BTreeSet::new();
    let mut issues = Vec::new();
    for (line, result) in parse_lines(text) {
        match result {
            Ok(key) => {
                keys.insert(key.fingerprint());
            }
            Err(error) => {
                issues.push(KeyIssue::InvalidLine { user: user.clone(), line, error });
            }
        }
    }
    if !issues.is_empty() && keys.is_empty() && !old_keys.is_empty() {
        issues.push(KeyIssue::Unreadable { user: user.clone() });
        return (old_keys, issues);
    }
    (keys.into_iter().collect(), issues)
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
