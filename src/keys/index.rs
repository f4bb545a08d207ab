//! All keys in memory: who is the holder of a key?
//!
//! A ConfigMap that changes costs what changed in it, so that many keys stay cheap.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use russh::keys::ssh_key::Fingerprint;

use super::grant::{Identity, Role};
use super::parse::{self, Problem};
use super::shard::Shard;
use crate::domain::UserName;

/// Something in the ConfigMaps that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("{name:?} is not a user name; its keys let nobody in")]
    Name { name: String },
    #[error("line {line} of {user} is ignored: {problem}")]
    Line { user: UserName, line: usize, problem: Problem },
    #[error(
        "the entry of {user} holds no key that can be read; the keys it held before stay valid \
         until the entry is mended or removed"
    )]
    Wrecked { user: UserName },
    #[error(
        "the key {fingerprint} stands under {first} and under {second}; it lets nobody in until one of them is removed"
    )]
    Shared { fingerprint: Fingerprint, first: UserName, second: UserName },
}

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
    shard: Shard,
    entries: BTreeMap<UserName, Entry>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index {
    shards: BTreeMap<String, Indexed>,
    places: HashMap<Fingerprint, Vec<Place>>,
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
        let unambiguous = places.iter().all(|place| place.user == *user);
        let admin = places.iter().any(|place| place.role == Role::Admin);
        unambiguous.then(|| Identity { user: user.clone(), admin, fingerprint: key.to_string() })
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

    /// Takes over the content of a ConfigMap that was created or changed.
    pub(super) fn apply(&mut self, name: &str, shard: Shard) -> Vec<Flaw> {
        if self.shards.get(name).is_some_and(|known| known.shard.role != shard.role) {
            self.remove(name);
        }
        let known = self.shards.remove(name);
        let (name, old, mut entries) = match known {
            Some(indexed) => (indexed.name, indexed.shard.entries, indexed.entries),
            None => (Arc::from(name), BTreeMap::new(), BTreeMap::new()),
        };
        for gone in old.keys().filter(|user| !shard.entries.contains_key(*user)) {
            let entry = gone.parse().ok().and_then(|user: UserName| entries.remove_entry(&user));
            if let Some((user, entry)) = entry {
                self.forget(&Place { shard: name.clone(), user, role: shard.role }, &entry);
            }
        }
        let mut flaws = Vec::new();
        for (user, lines) in shard.entries.iter().filter(|(user, lines)| old.get(*user) != Some(*lines)) {
            let Ok(user) = user.parse::<UserName>() else {
                flaws.push(Flaw::Name { name: user.clone() });
                continue;
            };
            let place = Place { shard: name.clone(), user: user.clone(), role: shard.role };
            let before = entries.remove(&user).unwrap_or_default();
            self.forget(&place, &before);
            let (entry, found) = read(&place, lines, before);
            flaws.extend(found);
            flaws.extend(self.remember(&place, &entry));
            entries.insert(user, entry);
        }
        self.shards.insert(name.to_string(), Indexed { name, shard, entries });
        flaws
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
        let gone: Vec<String> = self.shards.keys().filter(|name| !names.contains(*name)).cloned().collect();
        gone.iter().for_each(|name| self.remove(name));
    }

    fn forget(&mut self, place: &Place, entry: &[Fingerprint]) {
        for key in entry {
            if let Some(places) = self.places.get_mut(key) {
                places.retain(|known| known != place);
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
            places.push(place.clone());
        }
        flaws
    }
}

/// Reads the lines of one user. Lines that can't be read are left out; if no other is left, the
/// entry was wrecked rather than edited, and what it held before stays.
fn read(place: &Place, text: &str, before: Entry) -> (Entry, Vec<Flaw>) {
    let mut keys = BTreeSet::new();
    let mut flaws = Vec::new();
    for (line, result) in parse::lines(text) {
        match result {
            Ok(key) => {
                keys.insert(key.fingerprint());
            }
            Err(problem) => {
                flaws.push(Flaw::Line { user: place.user.clone(), line, problem });
            }
        }
    }
    if !flaws.is_empty() && keys.is_empty() && !before.is_empty() {
        flaws.push(Flaw::Wrecked { user: place.user.clone() });
        return (before, flaws);
    }
    (keys.into_iter().collect(), flaws)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{key, shard, user};
    use super::*;

    fn who(index: &Index, number: usize) -> Option<(String, bool)> {
        index.identify(&key(number).fingerprint()).map(|identity| (identity.user.to_string(), identity.admin))
    }

    fn alice(admin: bool) -> Option<(String, bool)> {
        Some(("alice".into(), admin))
    }

    #[test]
    fn keys_come_and_go_with_their_config_map() {
        let mut index = Index::default();
        assert_eq!(index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1, 2]), ("bob", &[3])])), []);
        assert_eq!((who(&index, 1), who(&index, 4)), (alice(false), None));
        index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[2, 4])]));
        assert_eq!(
            (who(&index, 1), who(&index, 2), who(&index, 3), who(&index, 4)),
            (None, alice(false), None, alice(false))
        );
        assert_eq!((index.len(), index.count_of(&user("alice")), index.count_of(&user("bob"))), (2, 2, 0));
        index.remove("slipway-keys-0");
        assert_eq!((index.len(), who(&index, 2)), (0, None));
    }

    #[test]
    fn a_key_is_an_admins_if_it_stands_among_the_admins() {
        let mut index = Index::default();
        index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1, 2])]));
        index.apply("slipway-admins-0", shard(Role::Admin, &[("alice", &[1])]));
        assert_eq!((who(&index, 1), who(&index, 2)), (alice(true), alice(false)));
        index.remove("slipway-admins-0");
        assert_eq!(who(&index, 1), alice(false));
    }

    #[test]
    fn a_config_map_whose_label_changes_takes_its_rights_along() {
        let mut index = Index::default();
        index.apply("team", shard(Role::Admin, &[("alice", &[1])]));
        index.apply("team", shard(Role::User, &[("alice", &[1])]));
        assert_eq!(who(&index, 1), alice(false));
    }

    #[test]
    fn a_key_under_two_users_lets_nobody_in() {
        let mut index = Index::default();
        index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1, 2])]));
        let flaws = index.apply("slipway-keys-1", shard(Role::User, &[("mallory", &[1])]));
        assert!(matches!(&flaws[..], [Flaw::Shared { second, .. }] if second.as_str() == "mallory"), "{flaws:?}");
        assert_eq!((who(&index, 1), who(&index, 2)), (None, alice(false)));
        index.remove("slipway-keys-1");
        assert_eq!(who(&index, 1), alice(false));
    }

    #[test]
    fn a_broken_line_is_left_out_and_the_rest_counts() {
        let mut index = Index::default();
        let mut broken = shard(Role::User, &[("alice", &[1, 2])]);
        broken.entries.get_mut("alice").unwrap().push_str("garbage\n");
        let flaws = index.apply("slipway-keys-0", broken.clone());
        assert!(matches!(&flaws[..], [Flaw::Line { line: 3, .. }]), "{flaws:?}");
        assert_eq!(who(&index, 1), alice(false));
        broken.entries.insert("alice".into(), format!("garbage\n{}\n", key(2).line()));
        index.apply("slipway-keys-0", broken);
        assert_eq!((who(&index, 1), who(&index, 2)), (None, alice(false)), "what was removed is gone");
    }

    #[test]
    fn a_wrecked_entry_keeps_its_last_good_state() {
        let mut index = Index::default();
        index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1]), ("bob", &[2])]));
        for text in ["garbage", "other garbage", "ssh-ed25519 AAAA"] {
            let mut wrecked = shard(Role::User, &[("bob", &[2])]);
            wrecked.entries.insert("alice".into(), text.into());
            let flaws = index.apply("slipway-keys-0", wrecked);
            assert!(matches!(flaws.last(), Some(Flaw::Wrecked { .. })), "{flaws:?}");
            assert_eq!(who(&index, 1), alice(false));
        }
        let mut emptied = shard(Role::User, &[("bob", &[2])]);
        emptied.entries.insert("alice".into(), "# revoked\n".into());
        assert_eq!(index.apply("slipway-keys-0", emptied), []);
        assert_eq!(who(&index, 1), None);
    }

    #[test]
    fn entries_that_name_no_user_are_reported_and_ignored() {
        let mut index = Index::default();
        let flaws = index.apply("slipway-keys-0", shard(Role::User, &[("-x", &[1]), ("alice", &[2])]));
        assert!(matches!(&flaws[..], [Flaw::Name { .. }]), "{flaws:?}");
        assert_eq!((who(&index, 1), who(&index, 2)), (None, alice(false)));
        index.apply("slipway-keys-0", shard(Role::User, &[]));
        assert_eq!(index.len(), 0);
    }

    #[test]
    fn what_a_new_list_no_longer_names_is_forgotten() {
        let mut index = Index::default();
        index.apply("a", shard(Role::User, &[("alice", &[1])]));
        index.apply("b", shard(Role::User, &[("bob", &[2])]));
        index.retain(&BTreeSet::from(["a".to_owned()]));
        assert_eq!((who(&index, 1), who(&index, 2)), (alice(false), None));
    }
}
