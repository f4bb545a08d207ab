//! The users of keys, as ConfigMaps are created, changed, broken and deleted.

use super::super::testing::{key, shard, user};
use super::*;

fn identify(index: &KeyIndex, number: usize) -> Option<(String, bool)> {
    index.identify(&key(number).fingerprint()).map(|identity| (identity.user.to_string(), identity.admin))
}

fn alice(admin: bool) -> Option<(String, bool)> {
    Some(("alice".into(), admin))
}

#[test]
fn keys_are_added_and_removed_with_their_config_map() {
    let mut index = KeyIndex::default();
    assert_eq!(index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1, 2]), ("bob", &[3])])), []);
    assert_eq!((identify(&index, 1), identify(&index, 4)), (alice(false), None));
    index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[2, 4])]));
    assert_eq!(
        (identify(&index, 1), identify(&index, 2), identify(&index, 3), identify(&index, 4)),
        (None, alice(false), None, alice(false))
    );
    assert_eq!((index.len(), index.count_keys_of(&user("alice")), index.count_keys_of(&user("bob"))), (2, 2, 0));
    index.remove("slipway-keys-0");
    assert_eq!((index.len(), identify(&index, 2)), (0, None));
}

#[test]
fn a_key_in_an_admin_config_map_is_an_admins_key() {
    let mut index = KeyIndex::default();
    index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1, 2])]));
    index.apply("slipway-admins-0", shard(Role::Admin, &[("alice", &[1])]));
    assert_eq!((identify(&index, 1), identify(&index, 2)), (alice(true), alice(false)));
    index.remove("slipway-admins-0");
    assert_eq!(identify(&index, 1), alice(false));
}

#[test]
fn a_changed_label_changes_the_role_of_the_keys() {
    let mut index = KeyIndex::default();
    index.apply("team", shard(Role::Admin, &[("alice", &[1])]));
    index.apply("team", shard(Role::User, &[("alice", &[1])]));
    assert_eq!(identify(&index, 1), alice(false));
}

#[test]
fn a_key_of_two_users_identifies_nobody() {
    let mut index = KeyIndex::default();
    index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1, 2])]));
    let issues = index.apply("slipway-keys-1", shard(Role::User, &[("mallory", &[1])]));
    assert!(
        matches!(&issues[..], [KeyIssue::DuplicateKey { second, .. }] if second.as_str() == "mallory"),
        "{issues:?}"
    );
    assert_eq!((identify(&index, 1), identify(&index, 2)), (None, alice(false)));
    index.remove("slipway-keys-1");
    assert_eq!(identify(&index, 1), alice(false));
}

#[test]
fn an_invalid_line_is_ignored_and_the_other_lines_count() {
    let mut index = KeyIndex::default();
    let mut broken = shard(Role::User, &[("alice", &[1, 2])]);
    broken.entries.get_mut("alice").unwrap().push_str("garbage\n");
    let issues = index.apply("slipway-keys-0", broken.clone());
    assert!(matches!(&issues[..], [KeyIssue::InvalidLine { line: 3, .. }]), "{issues:?}");
    assert_eq!(identify(&index, 1), alice(false));
    broken.entries.insert("alice".into(), format!("garbage\n{}\n", key(2).line()));
    index.apply("slipway-keys-0", broken);
    assert_eq!((identify(&index, 1), identify(&index, 2)), (None, alice(false)), "a removed key is gone");
}

#[test]
fn an_unreadable_entry_keeps_its_previous_keys() {
    let mut index = KeyIndex::default();
    index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1]), ("bob", &[2])]));
    for text in ["garbage", "other garbage", "ssh-ed25519 AAAA"] {
        let mut unreadable = shard(Role::User, &[("bob", &[2])]);
        unreadable.entries.insert("alice".into(), text.into());
        let issues = index.apply("slipway-keys-0", unreadable);
        assert!(matches!(issues.last(), Some(KeyIssue::Unreadable { .. })), "{issues:?}");
        assert_eq!(identify(&index, 1), alice(false));
    }
    let mut emptied = shard(Role::User, &[("bob", &[2])]);
    emptied.entries.insert("alice".into(), "# revoked\n".into());
    assert_eq!(index.apply("slipway-keys-0", emptied), []);
    assert_eq!(identify(&index, 1), None);
}

/// The numbers of broken ConfigMaps and of rejected lines.
fn broken_and_rejected(index: &KeyIndex) -> (usize, usize) {
    let metrics = index.metrics();
    (metrics.broken, metrics.rejected)
}

#[test]
fn issues_are_counted_until_they_are_fixed() {
    let mut index = KeyIndex::default();
    let whole = shard(Role::User, &[("alice", &[1, 2]), ("bob", &[3])]);
    index.apply("slipway-keys-0", whole.clone());
    assert_eq!((broken_and_rejected(&index), index.metrics().maps, index.metrics().bytes), ((0, 0), 1, whole.size()));
    let mut wrong = whole.clone();
    wrong.entries.get_mut("alice").unwrap().push_str("garbage\nmore garbage\n");
    wrong.entries.insert("-x".into(), String::new());
    index.apply("slipway-keys-0", wrong.clone());
    assert_eq!(broken_and_rejected(&index), (1, 3));
    // a change of another entry fixes nothing
    wrong.entries.remove("bob");
    assert_eq!(index.apply("slipway-keys-0", wrong), []);
    assert_eq!(broken_and_rejected(&index), (1, 3));
    index.apply("slipway-keys-0", whole.clone());
    assert_eq!(broken_and_rejected(&index), (0, 0));
    index.apply("slipway-keys-1", shard(Role::User, &[("mallory", &[1])]));
    assert_eq!(index.metrics().ambiguous, 1);
    index.apply("slipway-keys-0", shard(Role::User, &[("bob", &[3])]));
    assert_eq!(index.metrics().ambiguous, 0);
}

#[test]
fn an_emptied_config_map_keeps_its_previous_keys() {
    let mut index = KeyIndex::default();
    let empty = |role| shard(role, &[]);
    index.apply("slipway-admins-0", shard(Role::Admin, &[("root", &[9])]));
    index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1]), ("bob", &[2])]));
    assert_eq!(index.apply("slipway-keys-0", empty(Role::User)), [KeyIssue::Emptied]);
    index.apply("slipway-keys-0", empty(Role::User));
    assert_eq!((identify(&index, 1), broken_and_rejected(&index)), (alice(false), (1, 0)));
    // the next content decides again
    index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1])]));
    assert_eq!((identify(&index, 1), identify(&index, 2), broken_and_rejected(&index)), (alice(false), None, (0, 0)));
    // the removal of a single user revokes the user's keys
    assert_eq!(index.apply("slipway-keys-0", empty(Role::User)), []);
    assert_eq!((identify(&index, 1), broken_and_rejected(&index)), (None, (0, 0)));
    // unless no admin would be left
    assert_eq!(index.apply("slipway-admins-0", empty(Role::Admin)), [KeyIssue::Emptied]);
    assert!(identify(&index, 9).is_some());
    index.remove("slipway-admins-0");
    assert_eq!((identify(&index, 9), broken_and_rejected(&index)), (None, (0, 0)));
}

#[test]
fn a_config_map_without_its_label_keeps_its_keys_and_its_edits_count() {
    let mut index = KeyIndex::default();
    index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1]), ("bob", &[2])]));
    assert_eq!(
        index.retain_unlabelled("slipway-keys-0", shard(Role::User, &[("alice", &[1])])),
        [KeyIssue::Unlabelled]
    );
    index.retain_unlabelled("slipway-keys-0", shard(Role::User, &[("alice", &[1])]));
    assert_eq!((identify(&index, 1), identify(&index, 2), broken_and_rejected(&index)), (alice(false), None, (1, 0)));
    assert_eq!(index.unlabelled_shards(), ["slipway-keys-0"]);
    index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1])]));
    assert_eq!((index.unlabelled_shards().len(), broken_and_rejected(&index)), (0, (0, 0)));
}

#[test]
fn entries_that_name_no_user_are_reported_and_ignored() {
    let mut index = KeyIndex::default();
    let issues = index.apply("slipway-keys-0", shard(Role::User, &[("-x", &[1]), ("alice", &[2])]));
    assert!(matches!(&issues[..], [KeyIssue::InvalidUserName { .. }]), "{issues:?}");
    assert_eq!((identify(&index, 1), identify(&index, 2)), (None, alice(false)));
    index.apply("slipway-keys-0", shard(Role::User, &[]));
    assert_eq!(index.len(), 0);
}

#[test]
fn a_config_map_that_a_new_list_does_not_contain_is_removed() {
    let mut index = KeyIndex::default();
    index.apply("a", shard(Role::User, &[("alice", &[1])]));
    index.apply("b", shard(Role::User, &[("bob", &[2])]));
    index.retain(&BTreeSet::from(["a".to_owned()]));
    assert_eq!((identify(&index, 1), identify(&index, 2)), (alice(false), None));
}
