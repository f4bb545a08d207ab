//! All keys in memory: who is the holder of a key?
//!
//! A ConfigMap that changes costs what changed in it, so that many keys stay cheap.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use russh::keys::ssh_key::Fingerprint;

use super::census::Census;
use super::flaw::Flaw;
use super::grant::{Identity, Role};
use super::parse;
use super::shard::Shard;
use crate::domain::UserName;

/// Where a key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    shard: Arc<str>,
    user: UserName,
    role: Role,
}

/// One user's keys in one ConfigMap.
type Entry = Vec<Fingerprint>;

#[derive(Debug)]
struct Indexed {
    name: Arc<str>,
    /// What is stored.
    shard: Shard,
    /// What counts; where something is broken, more than what is stored.
    entries: BTreeMap<UserName, Entry>,
    /// What is broken, by the name of the entry; what is broken in the whole stands under none.
    flaws: BTreeMap<String, Vec<Flaw>>,
    size: usize,
}

/// Where what is broken in a whole ConfigMap stands; no entry has this name.
const WHOLE: &str = "";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index {
    shards: BTreeMap<String, Indexed>,
    places: HashMap<Fingerprint, Vec<Place>>,
    ambiguous: usize,
}

impl Index {
    /// The index of these ConfigMaps.
    #[cfg(test)]
    pub(super) fn of(shards: impl IntoIterator<Item = (String, Shard)>) -> Self {
        let mut index = Self::default();
        index.replace(shards);
        index
    }

    /// Takes over a complete list of the ConfigMaps.
    pub(super) fn replace(&mut self, shards: impl IntoIterator<Item = (String, Shard)>) {
        let mut names = BTreeSet::new();
        for (name, shard) in shards {
            self.apply(&name, shard);
            names.insert(name);
        }
        self.retain(&names);
    }

    /// Whose key it is. A key that stands under two users is nobody's: guessing would turn one
    /// of them into the other.
    pub(super) fn identify(&self, key: &Fingerprint) -> Option<Identity> {
        let places = self.places.get(key)?;
        let user = &places.first()?.user;
        let admin = places.iter().any(|place| place.role == Role::Admin);
        (!is_ambiguous(places)).then(|| Identity { user: user.clone(), admin, fingerprint: key.to_string() })
    }

    /// Whether the key stands under somebody else.
    pub(super) fn is_of_another(&self, key: &Fingerprint, user: &UserName) -> bool {
        self.places.get(key).into_iter().flatten().any(|place| place.user != *user)
    }

    /// Whether the key already gives this user at least what `role` gives.
    pub(super) fn has(&self, key: &Fingerprint, user: &UserName, role: Role) -> bool {
        self.places.get(key).into_iter().flatten().any(|place| place.user == *user && place.role >= role)
    }

    /// How many different keys a user has.
    pub(super) fn count_of(&self, user: &UserName) -> usize {
        let entries = self.shards.values().filter_map(|shard| shard.entries.get(user));
        entries.flatten().collect::<BTreeSet<_>>().len()
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The ConfigMaps.
    pub(super) fn shards(&self) -> impl Iterator<Item = (&str, &Shard)> {
        self.shards.iter().map(|(name, indexed)| (name.as_str(), &indexed.shard))
    }

    /// Whether there is a ConfigMap of this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.shards.contains_key(name)
    }

    /// What there is, in numbers.
    pub(super) fn census(&self) -> Census {
        let shards = self.shards.values();
        let rejected = |flaw: &&Flaw| matches!(flaw, Flaw::Name { .. } | Flaw::Line { .. });
        Census {
            keys: self.places.len(),
            ambiguous: self.ambiguous,
            maps: self.shards.len(),
            broken: shards.clone().filter(|indexed| !indexed.flaws.is_empty()).count(),
            rejected: shards.clone().flat_map(|indexed| indexed.flaws.values().flatten()).filter(rejected).count(),
            bytes: shards.map(|indexed| indexed.size).sum(),
        }
    }

    /// Whether something is broken in the ConfigMap.
    pub(super) fn is_broken(&self, name: &str) -> bool {
        self.shards.get(name).is_some_and(|indexed| !indexed.flaws.is_empty())
    }

    /// The role and the identity of a ConfigMap that is known.
    pub(super) fn shard(&self, name: &str) -> Option<&Shard> {
        self.shards.get(name).map(|indexed| &indexed.shard)
    }

    /// The ConfigMaps that were there, and are not among these.
    pub(super) fn missing(&self, names: &BTreeSet<String>) -> Vec<String> {
        self.shards.keys().filter(|name| !names.contains(*name)).cloned().collect()
    }

    /// The ConfigMaps that have lost their label.
    pub(super) fn unlabelled(&self) -> Vec<String> {
        let lost = |indexed: &Indexed| indexed.flaws.get(WHOLE).is_some_and(|flaws| flaws.contains(&Flaw::Unlabelled));
        self.shards.iter().filter(|(_, indexed)| lost(indexed)).map(|(name, _)| name.clone()).collect()
    }

    /// Takes over the content of a ConfigMap that has lost its label; its keys count on. What is new about that.
    pub(super) fn keep(&mut self, name: &str, shard: Shard) -> Vec<Flaw> {
        let mut flaws = self.apply(name, shard);
        if let Some(indexed) = self.shards.get_mut(name) {
            indexed.flaws.entry(WHOLE.to_owned()).or_default().push(Flaw::Unlabelled);
            flaws.push(Flaw::Unlabelled);
        }
        flaws
    }

    /// Takes over the content of a ConfigMap that was created or changed. What is wrong with what is new in it.
    pub(super) fn apply(&mut self, name: &str, shard: Shard) -> Vec<Flaw> {
        if self.shards.get(name).is_some_and(|known| known.shard.role != shard.role) {
            self.remove(name);
        }
        if self.is_emptied(name, &shard) {
            return self.keep_emptied(name, shard);
        }
        let (name, old, mut entries, mut wrong) = match self.shards.remove(name) {
            Some(indexed) => (indexed.name, indexed.shard.entries, indexed.entries, indexed.flaws),
            None => (Arc::from(name), BTreeMap::new(), BTreeMap::new(), BTreeMap::new()),
        };
        wrong.retain(|entry, _| shard.entries.contains_key(entry));
        let place = |user: &UserName| Place { shard: name.clone(), user: user.clone(), role: shard.role };
        let gone = entries.keys().filter(|user| !shard.entries.contains_key(user.as_str()));
        for user in gone.cloned().collect::<Vec<_>>() {
            self.forget(&place(&user), &entries.remove(&user).unwrap_or_default());
        }
        let mut flaws = Vec::new();
        for (name, lines) in shard.entries.iter().filter(|(user, lines)| old.get(*user) != Some(*lines)) {
            let found = match name.parse::<UserName>() {
                Ok(user) => {
                    let before = entries.remove(&user).unwrap_or_default();
                    self.forget(&place(&user), &before);
                    let (entry, found) = read(&user, lines, before);
                    flaws.extend(self.remember(&place(&user), &entry));
                    entries.insert(user, entry);
                    found
                }
                Err(_) => vec![Flaw::Name { name: name.clone() }],
            };
            flaws.extend(found.iter().cloned());
            wrong.insert(name.clone(), found);
        }
        wrong.retain(|_, flaws| !flaws.is_empty());
        let size = shard.size();
        self.shards.insert(name.to_string(), Indexed { name, shard, entries, flaws: wrong, size });
        flaws
    }

    /// Whether the ConfigMap has lost all its entries by an accident. Who takes a user's rights away removes one entry;
    /// that several go at once, or that no admin is left, is a slip, or somebody who locks all others out.
    fn is_emptied(&self, name: &str, shard: &Shard) -> bool {
        let Some(known) = self.shards.get(name).filter(|_| shard.entries.is_empty()) else { return false };
        let admins = |(other, indexed): (&String, &Indexed)| {
            other != name && indexed.shard.role == Role::Admin && indexed.entries.values().any(|keys| !keys.is_empty())
        };
        let last_admins = shard.role == Role::Admin && !self.shards.iter().any(admins);
        let had = known.entries.values().filter(|keys| !keys.is_empty()).count();
        let was = known.flaws.get(WHOLE).is_some_and(|flaws| flaws.contains(&Flaw::Emptied));
        was || had > 1 || (had == 1 && last_admins)
    }

    /// What was in it counts on.
    fn keep_emptied(&mut self, name: &str, shard: Shard) -> Vec<Flaw> {
        if let Some(known) = self.shards.get_mut(name) {
            (known.shard, known.size) = (shard, 0);
            known.flaws = BTreeMap::from([(WHOLE.to_owned(), vec![Flaw::Emptied])]);
        }
        vec![Flaw::Emptied]
    }

    /// Forgets a ConfigMap that was deleted.
    pub(super) fn remove(&mut self, name: &str) {
        let Some(indexed) = self.shards.remove(name) else { return };
        for (user, entry) in indexed.entries {
            self.forget(&Place { shard: indexed.name.clone(), user, role: indexed.shard.role }, &entry);
        }
    }

    /// Forgets the ConfigMaps that are not among these.
    pub(super) fn retain(&mut self, names: &BTreeSet<String>) {
        self.missing(names).iter().for_each(|name| self.remove(name));
    }

    fn forget(&mut self, place: &Place, entry: &[Fingerprint]) {
        for key in entry {
            if let Some(places) = self.places.get_mut(key) {
                let before = is_ambiguous(places);
                places.retain(|known| known != place);
                self.ambiguous -= usize::from(before && !is_ambiguous(places));
                if places.is_empty() {
                    self.places.remove(key);
                }
            }
        }
    }

    fn remember(&mut self, place: &Place, entry: &[Fingerprint]) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        for key in entry {
            let places = self.places.entry(*key).or_default();
            if let Some(other) = places.iter().find(|known| known.user != place.user) {
                let (first, second) = (other.user.clone(), place.user.clone());
                flaws.push(Flaw::Shared { fingerprint: *key, first, second });
            }
            let before = is_ambiguous(places);
            places.push(place.clone());
            self.ambiguous += usize::from(!before && is_ambiguous(places));
        }
        flaws
    }
}

/// Whether a key stands under two users.
fn is_ambiguous(places: &[Place]) -> bool {
    places.first().is_some_and(|first| places.iter().any(|place| place.user != first.user))
}

/// Reads the lines of one user. Lines that can't be read are left out; if no other is left, the
/// entry was wrecked rather than edited, and what it held before stays.
fn read(user: &UserName, text: &str, before: Entry) -> (Entry, Vec<Flaw>) {
    let mut keys = BTreeSet::new();
    let mut flaws = Vec::new();
    for (line, result) in parse::lines(text) {
        match result {
            Ok(key) => {
                keys.insert(key.fingerprint());
            }
            Err(problem) => {
                flaws.push(Flaw::Line { user: user.clone(), line, problem });
            }
        }
    }
    if !flaws.is_empty() && keys.is_empty() && !before.is_empty() {
        flaws.push(Flaw::Wrecked { user: user.clone() });
        return (before, flaws);
    }
    (keys.into_iter().collect(), flaws)
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
