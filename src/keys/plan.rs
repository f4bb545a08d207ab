//! The placement of uploaded keys in ConfigMaps. Pure: `write` applies the plan.

use std::collections::BTreeSet;

use russh::keys::ssh_key::Fingerprint;
use serde::{Serialize, Serializer};

use super::error::KeysError;
use super::index::KeyIndex;
use super::limits::{MAX_SHARD_BYTES, MAX_USER_KEYS};
use super::parse::AuthorizedKey;
use super::shard::Shard;
use crate::auth::{Role, UploadGrant};
use crate::domain::UserName;

/// The result of an upload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UploadResult {
    /// Keys that were not stored before.
    #[serde(serialize_with = "as_text")]
    pub added: Vec<Fingerprint>,
    /// Keys that the user had before.
    #[serde(serialize_with = "as_text")]
    pub existing: Vec<Fingerprint>,
}

impl UploadResult {
    /// The output of the upload command, one line for each key.
    pub fn report_lines(&self, user: &UserName) -> Vec<String> {
        let added = self.added.iter().map(|key| format!("added {key} for {user}"));
        let existing = self.existing.iter().map(|key| format!("{user} has {key} already"));
        added.chain(existing).collect()
    }
}

fn as_text<S: Serializer>(keys: &[Fingerprint], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(keys.iter().map(ToString::to_string))
}

/// A change of one entry of one ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShardPatch {
    pub shard: String,
    pub role: Role,
    pub user: UserName,
    /// The ConfigMap's `resourceVersion`; `None` to create the ConfigMap.
    pub resource_version: Option<String>,
    /// The user's lines; `None` to remove the entry.
    pub lines: Option<String>,
}

/// The patches of an upload, in order. An interruption after any of them loses no key: an entry that moves is written
/// to its new ConfigMap before it is removed from the old one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct UploadPlan {
    pub patches: Vec<ShardPatch>,
    pub result: UploadResult,
}

/// Plans an upload.
///
/// `taken_names` are names of ConfigMaps that exist although the index does not contain them.
pub(super) fn plan_upload(
    index: &KeyIndex,
    grant: &UploadGrant,
    keys: &[AuthorizedKey],
    taken_names: &BTreeSet<String>,
) -> Result<UploadPlan, KeysError> {
    let (user, role) = (grant.user(), grant.role());
    if let Some(key) = keys.iter().find(|key| index.is_owned_by_other(&key.fingerprint(), user)) {
        return Err(KeysError::KeyOwnedByOther(key.fingerprint()));
    }
    let (existing, new): (Vec<_>, Vec<_>) = keys.iter().partition(|key| index.has_key(&key.fingerprint(), user, role));
    // A key that the user has with a lower role is stored once more, and counts once.
    let added = new.iter().filter(|key| !index.has_key(&key.fingerprint(), user, Role::User)).count();
    if !new.is_empty() && index.count_keys_of(user) + added > MAX_USER_KEYS {
        return Err(KeysError::TooManyKeys(user.clone()));
    }
    let user_shards = UserShards { user, role, shards: own_shards(index, role) };
    let mut patches = Vec::new();
    if !new.is_empty() {
        patches = user_shards.add_keys(&new, || free_shard_name(index, role, taken_names))?;
    }
    for stale in user_shards.remove_stale_entries() {
        if !patches.iter().any(|patch| patch.shard == stale.shard) {
            patches.push(stale);
        }
    }
    let result = UploadResult { added: fingerprints(&new), existing: fingerprints(&existing) };
    Ok(UploadPlan { patches, result })
}

/// The ConfigMaps that may hold the keys of one user.
struct UserShards<'a> {
    user: &'a UserName,
    role: Role,
    shards: Vec<(String, &'a Shard)>,
}

impl<'a> UserShards<'a> {
    /// The ConfigMaps with an entry of the user, and the user's lines in each.
    fn entries(&self) -> impl Iterator<Item = (&str, &'a Shard, &'a str)> {
        self.shards.iter().filter_map(|(name, shard)| {
            let lines = shard.entries.get(self.user.as_str())?;
            Some((name.as_str(), *shard, lines.as_str()))
        })
    }

    /// The largest entry. A user has one entry, unless a move was interrupted.
    fn primary_entry(&self) -> Option<(&str, &'a Shard, &'a str)> {
        self.entries().max_by_key(|(_, _, lines)| lines.len())
    }

    /// Appends to the user's entry, or moves the entry to a ConfigMap with enough space.
    fn add_keys(&self, new: &[&AuthorizedKey], free_name: impl Fn() -> String) -> Result<Vec<ShardPatch>, KeysError> {
        let primary = self.primary_entry();
        let old_lines = primary.map_or("", |(_, _, lines)| lines);
        let lines = append_keys(old_lines, new);
        if self.user.as_str().len() + lines.len() > MAX_SHARD_BYTES {
            return Err(KeysError::TooManyKeys(self.user.clone()));
        }
        let has_space = |shard: &Shard| {
            let replaced = shard.entries.get(self.user.as_str()).map_or(0, |old| self.user.as_str().len() + old.len());
            shard.size() - replaced + self.user.as_str().len() + lines.len() <= MAX_SHARD_BYTES
        };
        if let Some((name, shard, _)) = primary.filter(|(_, shard, _)| has_space(shard)) {
            return Ok(vec![self.patch(name, Some(shard), Some(lines))]);
        }
        let mut patches = vec![match self.shards.iter().find(|(_, shard)| has_space(shard)) {
            Some((name, shard)) => self.patch(name, Some(shard), Some(lines)),
            None => self.patch(&free_name(), None, Some(lines)),
        }];
        patches.extend(primary.map(|(name, shard, _)| self.patch(name, Some(shard), None)));
        Ok(patches)
    }

    /// Removes entries that an interrupted move left behind: those whose lines are all in the primary entry.
    fn remove_stale_entries(&self) -> Vec<ShardPatch> {
        let Some((primary, _, primary_lines)) = self.primary_entry() else { return Vec::new() };
        let primary_lines: BTreeSet<&str> = primary_lines.lines().collect();
        self.entries()
            .filter(|(name, _, lines)| *name != primary && lines.lines().all(|line| primary_lines.contains(line)))
            .map(|(name, shard, _)| self.patch(name, Some(shard), None))
            .collect()
    }

    fn patch(&self, name: &str, shard: Option<&Shard>, lines: Option<String>) -> ShardPatch {
        let resource_version = shard.map(|shard| shard.resource_version.clone());
        ShardPatch { shard: name.to_owned(), role: self.role, user: self.user.clone(), resource_version, lines }
    }
}

fn fingerprints(keys: &[&AuthorizedKey]) -> Vec<Fingerprint> {
    keys.iter().map(|key| key.fingerprint()).collect()
}

/// The ConfigMaps that slipway created, by number. slipway does not write to ConfigMaps that users created.
fn own_shards(index: &KeyIndex, role: Role) -> Vec<(String, &Shard)> {
    let own = index.shards().filter(|(_, shard)| shard.role == role);
    let mut numbered: Vec<_> = own.filter_map(|(name, shard)| Some((role.shard_number(name)?, name, shard))).collect();
    numbered.sort_by_key(|(number, ..)| *number);
    numbered.into_iter().map(|(_, name, shard)| (name.to_owned(), shard)).collect()
}

fn free_shard_name(index: &KeyIndex, role: Role, taken_names: &BTreeSet<String>) -> String {
    let mut number = 0;
    loop {
        let name = role.shard_name(number);
        if !index.contains_shard(&name) && !taken_names.contains(&name) {
            return name;
        }
        number += 1;
    }
}

fn append_keys(old_lines: &str, new: &[&AuthorizedKey]) -> String {
    let mut lines = old_lines.to_owned();
    if !lines.is_empty() && !lines.ends_with('\n') {
        lines.push('\n');
    }
    for key in new {
        lines.push_str(key.line());
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::testing::{key, shard, user};
    use super::*;

    fn keys(numbers: &[usize]) -> Vec<AuthorizedKey> {
        numbers.iter().map(|n| key(*n)).collect()
    }

    fn plan_for(index: &KeyIndex, name: &str, role: Role, numbers: &[usize]) -> Result<UploadPlan, KeysError> {
        plan_upload(index, &UploadGrant::from_operator(user(name), role), &keys(numbers), &BTreeSet::new())
    }

    fn index(shards: Vec<(&str, Shard)>) -> KeyIndex {
        KeyIndex::from_shards(shards.into_iter().map(|(name, shard)| (name.to_owned(), shard)))
    }

    /// A ConfigMap with space for `space` more bytes.
    fn almost_full(mut shard: Shard, space: usize) -> Shard {
        let filler = MAX_SHARD_BYTES - space - shard.size() - "filler".len();
        shard.entries.insert("filler".into(), format!("#{}", "x".repeat(filler - 1)));
        shard
    }

    fn lines(numbers: &[usize]) -> Option<String> {
        Some(numbers.iter().map(|n| key(*n).line().to_owned() + "\n").collect())
    }

    #[test]
    fn the_first_key_creates_a_config_map_of_its_role() {
        for (role, name) in [(Role::User, "slipway-keys-0"), (Role::Admin, "slipway-admins-0")] {
            let plan = plan_for(&KeyIndex::default(), "alice", role, &[1]).unwrap();
            let (user, lines) = (user("alice"), lines(&[1]));
            let patch = ShardPatch { shard: name.into(), role, user, resource_version: None, lines };
            assert_eq!(plan.patches, [patch]);
            assert_eq!((plan.result.added.len(), plan.result.existing.len()), (1, 0));
        }
    }

    #[test]
    fn a_key_that_is_stored_already_changes_nothing() {
        let index = index(vec![("slipway-keys-0", shard(Role::User, &[("alice", &[1])]))]);
        let plan = plan_for(&index, "alice", Role::User, &[1]).unwrap();
        assert_eq!((plan.patches.len(), plan.result.existing.len()), (0, 1));
        let promoted = plan_for(&index, "alice", Role::Admin, &[1]).unwrap();
        assert_eq!(promoted.patches[0].shard, "slipway-admins-0");
    }

    #[test]
    fn new_lines_are_appended_to_the_stored_lines() {
        let mut edited = shard(Role::User, &[("alice", &[1])]);
        edited.entries.insert("alice".into(), format!("# by hand\n{}", key(1).line()));
        let plan = plan_for(&index(vec![("slipway-keys-0", edited)]), "alice", Role::User, &[1, 2]).unwrap();
        let expected = format!("# by hand\n{}\n{}\n", key(1).line(), key(2).line());
        assert_eq!(plan.patches[0].lines, Some(expected));
        assert_eq!(plan.patches[0].resource_version.as_deref(), Some("1"));
    }

    #[test]
    fn a_key_of_another_user_is_refused() {
        let index = index(vec![("team-keys", shard(Role::Admin, &[("alice", &[1])]))]);
        let refused = plan_for(&index, "bob", Role::User, &[2, 1]).unwrap_err();
        assert!(matches!(refused, KeysError::KeyOwnedByOther(fingerprint) if fingerprint == key(1).fingerprint()));
        assert!(!refused.to_string().contains("alice"));
    }

    #[test]
    fn an_entry_that_does_not_fit_goes_into_the_next_config_map() {
        let full = almost_full(shard(Role::User, &[]), 10);
        let first = plan_for(&index(vec![("slipway-keys-0", full.clone())]), "alice", Role::User, &[1]).unwrap();
        assert_eq!((first.patches[0].shard.as_str(), &first.patches[0].resource_version), ("slipway-keys-1", &None));
        let both = index(vec![("slipway-keys-0", full), ("slipway-keys-1", shard(Role::User, &[("bob", &[2])]))]);
        let second = plan_for(&both, "alice", Role::User, &[1]).unwrap();
        assert_eq!((second.patches[0].shard.as_str(), second.patches.len()), ("slipway-keys-1", 1));
        assert!(second.patches[0].resource_version.is_some());
    }

    #[test]
    fn an_entry_that_outgrows_its_config_map_is_written_before_it_is_removed() {
        let full = almost_full(shard(Role::User, &[("alice", &[1])]), 10);
        let plan = plan_for(&index(vec![("slipway-keys-0", full)]), "alice", Role::User, &[2]).unwrap();
        let summary: Vec<_> = plan.patches.iter().map(|patch| (patch.shard.as_str(), patch.lines.clone())).collect();
        assert_eq!(summary, [("slipway-keys-1", lines(&[1, 2])), ("slipway-keys-0", None)]);
    }

    #[test]
    fn the_next_upload_completes_an_interrupted_move() {
        let index = index(vec![
            ("slipway-keys-0", shard(Role::User, &[("alice", &[1])])),
            ("slipway-keys-1", shard(Role::User, &[("alice", &[1, 2])])),
        ]);
        let plan = plan_for(&index, "alice", Role::User, &[2]).unwrap();
        let summary: Vec<_> = plan.patches.iter().map(|patch| (patch.shard.as_str(), patch.lines.clone())).collect();
        assert_eq!(summary, [("slipway-keys-0", None)]);
    }

    #[test]
    fn config_maps_that_users_created_are_read_but_not_written() {
        let index = index(vec![("team-keys", shard(Role::User, &[("alice", &[1])]))]);
        let plan = plan_for(&index, "alice", Role::User, &[2]).unwrap();
        assert_eq!((plan.patches[0].shard.as_str(), &plan.patches[0].lines), ("slipway-keys-0", &lines(&[2])));
    }

    #[test]
    fn a_config_map_name_that_is_taken_is_skipped() {
        let taken_names = BTreeSet::from(["slipway-keys-0".to_owned()]);
        let grant = UploadGrant::from_operator(user("alice"), Role::User);
        let plan = plan_upload(&KeyIndex::default(), &grant, &keys(&[1]), &taken_names).unwrap();
        assert_eq!(plan.patches[0].shard, "slipway-keys-1");
    }

    #[test]
    fn an_upload_beyond_the_limit_of_a_user_is_refused() {
        let numbers: Vec<usize> = (0..MAX_USER_KEYS).collect();
        let index = index(vec![("slipway-keys-0", shard(Role::User, &[("alice", &numbers)]))]);
        assert!(matches!(plan_for(&index, "alice", Role::User, &[MAX_USER_KEYS]), Err(KeysError::TooManyKeys(_))));
        assert!(plan_for(&index, "alice", Role::User, &[0]).is_ok());
        assert!(plan_for(&index, "bob", Role::User, &[MAX_USER_KEYS]).is_ok());
    }

    #[test]
    fn a_key_that_is_uploaded_again_as_an_admins_key_counts_once() {
        let numbers: Vec<usize> = (0..MAX_USER_KEYS).collect();
        let index = index(vec![("slipway-keys-0", shard(Role::User, &[("alice", &numbers)]))]);
        let promoted = plan_for(&index, "alice", Role::Admin, &[0, 1]).unwrap();
        assert_eq!(
            (promoted.patches[0].shard.as_str(), &promoted.patches[0].lines),
            ("slipway-admins-0", &lines(&[0, 1]))
        );
        let refused = plan_for(&index, "alice", Role::Admin, &[0, MAX_USER_KEYS]);
        assert!(matches!(refused, Err(KeysError::TooManyKeys(_))));
    }
}
