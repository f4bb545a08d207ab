//! Which ConfigMap an upload changes. Pure; `write` performs it.

use std::collections::BTreeSet;

use russh::keys::ssh_key::Fingerprint;

use super::error::KeysError;
use super::grant::{Role, UploadGrant};
use super::index::Index;
use super::parse::AuthorizedKey;
use super::shard::{CAPACITY, Shard};
use crate::domain::UserName;

/// The most keys of one user.
pub const MAX_USER_KEYS: usize = 256;

/// What an upload came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Added {
    /// Keys that were not stored before.
    pub new: Vec<Fingerprint>,
    /// Keys that the user had already.
    pub known: Vec<Fingerprint>,
}

impl Added {
    /// What the uploader is told, one line a key.
    pub fn report(&self, user: &UserName) -> Vec<String> {
        let new = self.new.iter().map(|key| format!("added {key} for {user}"));
        let known = self.known.iter().map(|key| format!("{user} has {key} already"));
        new.chain(known).collect()
    }
}

/// One change of one ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub shard: String,
    pub role: Role,
    pub user: UserName,
    /// The ConfigMap's `resourceVersion`, or none if it has to be created.
    pub version: Option<String>,
    /// The user's lines, or none if the entry goes.
    pub lines: Option<String>,
}

/// The writes of an upload, in order. Nothing is lost wherever they end: keys are written to the
/// new place before they leave the old one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub writes: Vec<Write>,
    pub added: Added,
}

/// Decides an upload.
///
/// `taken` are names of ConfigMaps that can't be created although the index does not know them.
pub(super) fn plan(
    index: &Index,
    grant: &UploadGrant,
    keys: &[AuthorizedKey],
    taken: &BTreeSet<String>,
) -> Result<Plan, KeysError> {
    let (user, role) = (grant.user(), grant.role());
    if let Some(key) = keys.iter().find(|key| index.is_of_another(&key.fingerprint(), user)) {
        return Err(KeysError::OfAnother(key.fingerprint()));
    }
    let (known, new): (Vec<_>, Vec<_>) = keys.iter().partition(|key| index.has(&key.fingerprint(), user, role));
    if !new.is_empty() && index.count_of(user) + new.len() > MAX_USER_KEYS {
        return Err(KeysError::TooMany(user.clone()));
    }
    let desk = Desk { user, role, shards: own_shards(index, role) };
    let mut writes = Vec::new();
    if !new.is_empty() {
        writes = desk.place(&new, || free_name(index, role, taken))?;
    }
    for leftover in desk.leftovers() {
        if !writes.iter().any(|write| write.shard == leftover.shard) {
            writes.push(leftover);
        }
    }
    Ok(Plan { writes, added: Added { new: fingerprints(&new), known: fingerprints(&known) } })
}

/// The ConfigMaps that a user's keys may stand in.
struct Desk<'a> {
    user: &'a UserName,
    role: Role,
    shards: Vec<(String, &'a Shard)>,
}

impl<'a> Desk<'a> {
    /// The ConfigMaps that name the user, and the user's lines in each.
    fn places(&self) -> impl Iterator<Item = (&str, &'a Shard, &'a str)> {
        self.shards.iter().filter_map(|(name, shard)| {
            let lines = shard.entries.get(self.user.as_str())?;
            Some((name.as_str(), *shard, lines.as_str()))
        })
    }

    /// The place with the most: a user has one, unless a move ended halfway.
    fn home(&self) -> Option<(&str, &'a Shard, &'a str)> {
        self.places().max_by_key(|(_, _, lines)| lines.len())
    }

    /// Adds to the user's entry where it stands, or moves it to where there is room.
    fn place(&self, new: &[&AuthorizedKey], free_name: impl Fn() -> String) -> Result<Vec<Write>, KeysError> {
        let home = self.home();
        let before = home.map_or("", |(_, _, lines)| lines);
        let lines = append(before, new);
        if self.user.as_str().len() + lines.len() > CAPACITY {
            return Err(KeysError::TooMany(self.user.clone()));
        }
        let room = |shard: &Shard| {
            let replaced = shard.entries.get(self.user.as_str()).map_or(0, |old| self.user.as_str().len() + old.len());
            shard.size() - replaced + self.user.as_str().len() + lines.len() <= CAPACITY
        };
        if let Some((name, shard, _)) = home.filter(|(_, shard, _)| room(shard)) {
            return Ok(vec![self.write(name, Some(shard), Some(lines))]);
        }
        let mut writes = vec![match self.shards.iter().find(|(_, shard)| room(shard)) {
            Some((name, shard)) => self.write(name, Some(shard), Some(lines)),
            None => self.write(&free_name(), None, Some(lines)),
        }];
        writes.extend(home.map(|(name, shard, _)| self.write(name, Some(shard), None)));
        Ok(writes)
    }

    /// The removal of entries that a move left behind: nothing stands there that is not at home.
    fn leftovers(&self) -> Vec<Write> {
        let Some((home, _, kept)) = self.home() else { return Vec::new() };
        let kept: BTreeSet<&str> = kept.lines().collect();
        self.places()
            .filter(|(name, _, lines)| *name != home && lines.lines().all(|line| kept.contains(line)))
            .map(|(name, shard, _)| self.write(name, Some(shard), None))
            .collect()
    }

    fn write(&self, name: &str, shard: Option<&Shard>, lines: Option<String>) -> Write {
        let version = shard.map(|shard| shard.version.clone());
        Write { shard: name.to_owned(), role: self.role, user: self.user.clone(), version, lines }
    }
}

fn fingerprints(keys: &[&AuthorizedKey]) -> Vec<Fingerprint> {
    keys.iter().map(|key| key.fingerprint()).collect()
}

/// The ConfigMaps that slipway writes, by number. Others that carry the label are somebody else's
/// to write.
fn own_shards(index: &Index, role: Role) -> Vec<(String, &Shard)> {
    let own = index.shards().filter(|(_, shard)| shard.role == role);
    let mut numbered: Vec<_> = own.filter_map(|(name, shard)| Some((role.shard_number(name)?, name, shard))).collect();
    numbered.sort_by_key(|(number, ..)| *number);
    numbered.into_iter().map(|(_, name, shard)| (name.to_owned(), shard)).collect()
}

fn free_name(index: &Index, role: Role, taken: &BTreeSet<String>) -> String {
    let mut number = 0;
    loop {
        let name = role.shard_name(number);
        if !index.contains(&name) && !taken.contains(&name) {
            return name;
        }
        number += 1;
    }
}

fn append(before: &str, new: &[&AuthorizedKey]) -> String {
    let mut lines = before.to_owned();
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

    fn plan_for(index: &Index, name: &str, role: Role, numbers: &[usize]) -> Result<Plan, KeysError> {
        plan(index, &UploadGrant::by_operator(user(name), role), &keys(numbers), &BTreeSet::new())
    }

    fn index(shards: Vec<(&str, Shard)>) -> Index {
        Index::of(shards.into_iter().map(|(name, shard)| (name.to_owned(), shard)))
    }

    /// A ConfigMap with room for `room` more bytes.
    fn almost_full(mut with: Shard, room: usize) -> Shard {
        let filler = CAPACITY - room - with.size() - "filler".len();
        with.entries.insert("filler".into(), format!("#{}", "x".repeat(filler - 1)));
        with
    }

    fn lines(numbers: &[usize]) -> Option<String> {
        Some(numbers.iter().map(|n| key(*n).line().to_owned() + "\n").collect())
    }

    #[test]
    fn the_first_key_creates_a_config_map_of_its_role() {
        for (role, name) in [(Role::User, "slipway-keys-0"), (Role::Admin, "slipway-admins-0")] {
            let plan = plan_for(&Index::default(), "alice", role, &[1]).unwrap();
            let write = Write { shard: name.into(), role, user: user("alice"), version: None, lines: lines(&[1]) };
            assert_eq!(plan.writes, [write]);
            assert_eq!((plan.added.new.len(), plan.added.known.len()), (1, 0));
        }
    }

    #[test]
    fn a_key_that_is_stored_already_changes_nothing() {
        let index = index(vec![("slipway-keys-0", shard(Role::User, &[("alice", &[1])]))]);
        let plan = plan_for(&index, "alice", Role::User, &[1]).unwrap();
        assert_eq!((plan.writes.len(), plan.added.known.len()), (0, 1));
        let promoted = plan_for(&index, "alice", Role::Admin, &[1]).unwrap();
        assert_eq!(promoted.writes[0].shard, "slipway-admins-0");
    }

    #[test]
    fn new_lines_are_appended_to_what_stands_there() {
        let mut edited = shard(Role::User, &[("alice", &[1])]);
        edited.entries.insert("alice".into(), format!("# by hand\n{}", key(1).line()));
        let plan = plan_for(&index(vec![("slipway-keys-0", edited)]), "alice", Role::User, &[1, 2]).unwrap();
        let expected = format!("# by hand\n{}\n{}\n", key(1).line(), key(2).line());
        assert_eq!(plan.writes[0].lines, Some(expected));
        assert_eq!(plan.writes[0].version.as_deref(), Some("1"));
    }

    #[test]
    fn a_key_of_somebody_else_is_refused() {
        let index = index(vec![("team-keys", shard(Role::Admin, &[("alice", &[1])]))]);
        let refused = plan_for(&index, "bob", Role::User, &[2, 1]).unwrap_err();
        assert!(matches!(refused, KeysError::OfAnother(fingerprint) if fingerprint == key(1).fingerprint()));
        assert!(!refused.to_string().contains("alice"));
    }

    #[test]
    fn what_does_not_fit_goes_into_the_next_config_map() {
        let full = almost_full(shard(Role::User, &[]), 10);
        let first = plan_for(&index(vec![("slipway-keys-0", full.clone())]), "alice", Role::User, &[1]).unwrap();
        assert_eq!((first.writes[0].shard.as_str(), &first.writes[0].version), ("slipway-keys-1", &None));
        let both = index(vec![("slipway-keys-0", full), ("slipway-keys-1", shard(Role::User, &[("bob", &[2])]))]);
        let second = plan_for(&both, "alice", Role::User, &[1]).unwrap();
        assert_eq!((second.writes[0].shard.as_str(), second.writes.len()), ("slipway-keys-1", 1));
        assert!(second.writes[0].version.is_some());
    }

    #[test]
    fn an_entry_that_outgrows_its_config_map_moves_new_place_first() {
        let full = almost_full(shard(Role::User, &[("alice", &[1])]), 10);
        let plan = plan_for(&index(vec![("slipway-keys-0", full)]), "alice", Role::User, &[2]).unwrap();
        let summary: Vec<_> = plan.writes.iter().map(|write| (write.shard.as_str(), write.lines.clone())).collect();
        assert_eq!(summary, [("slipway-keys-1", lines(&[1, 2])), ("slipway-keys-0", None)]);
    }

    #[test]
    fn a_move_that_ended_halfway_is_finished_by_the_next_upload() {
        let index = index(vec![
            ("slipway-keys-0", shard(Role::User, &[("alice", &[1])])),
            ("slipway-keys-1", shard(Role::User, &[("alice", &[1, 2])])),
        ]);
        let plan = plan_for(&index, "alice", Role::User, &[2]).unwrap();
        let summary: Vec<_> = plan.writes.iter().map(|write| (write.shard.as_str(), write.lines.clone())).collect();
        assert_eq!(summary, [("slipway-keys-0", None)]);
    }

    #[test]
    fn config_maps_of_others_are_read_but_not_written() {
        let index = index(vec![("team-keys", shard(Role::User, &[("alice", &[1])]))]);
        let plan = plan_for(&index, "alice", Role::User, &[2]).unwrap();
        assert_eq!((plan.writes[0].shard.as_str(), &plan.writes[0].lines), ("slipway-keys-0", &lines(&[2])));
    }

    #[test]
    fn a_name_that_is_taken_by_something_else_is_skipped() {
        let taken = BTreeSet::from(["slipway-keys-0".to_owned()]);
        let grant = UploadGrant::by_operator(user("alice"), Role::User);
        let plan = plan(&Index::default(), &grant, &keys(&[1]), &taken).unwrap();
        assert_eq!(plan.writes[0].shard, "slipway-keys-1");
    }

    #[test]
    fn a_user_has_a_bounded_number_of_keys() {
        let numbers: Vec<usize> = (0..MAX_USER_KEYS).collect();
        let index = index(vec![("slipway-keys-0", shard(Role::User, &[("alice", &numbers)]))]);
        assert!(matches!(plan_for(&index, "alice", Role::User, &[MAX_USER_KEYS]), Err(KeysError::TooMany(_))));
        assert!(plan_for(&index, "alice", Role::User, &[0]).is_ok());
        assert!(plan_for(&index, "bob", Role::User, &[MAX_USER_KEYS]).is_ok());
    }
}
