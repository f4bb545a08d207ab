//! Who holds a key, as ConfigMaps come, change, break and go.

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

/// The ConfigMaps of which something is broken, and the lines that cannot be read.
fn broken(index: &Index) -> (usize, usize) {
    let census = index.census();
    (census.broken, census.rejected)
}

#[test]
fn what_is_broken_is_counted_until_it_is_mended() {
    let mut index = Index::default();
    let whole = shard(Role::User, &[("alice", &[1, 2]), ("bob", &[3])]);
    index.apply("slipway-keys-0", whole.clone());
    assert_eq!((broken(&index), index.census().maps, index.census().bytes), ((0, 0), 1, whole.size()));
    let mut wrong = whole.clone();
    wrong.entries.get_mut("alice").unwrap().push_str("garbage\nmore garbage\n");
    wrong.entries.insert("-x".into(), String::new());
    index.apply("slipway-keys-0", wrong.clone());
    assert_eq!(broken(&index), (1, 3));
    // what changes elsewhere in it mends nothing
    wrong.entries.remove("bob");
    assert_eq!(index.apply("slipway-keys-0", wrong), []);
    assert_eq!(broken(&index), (1, 3));
    index.apply("slipway-keys-0", whole.clone());
    assert_eq!(broken(&index), (0, 0));
    index.apply("slipway-keys-1", shard(Role::User, &[("mallory", &[1])]));
    assert_eq!(index.census().ambiguous, 1);
    index.apply("slipway-keys-0", shard(Role::User, &[("bob", &[3])]));
    assert_eq!(index.census().ambiguous, 0);
}

#[test]
fn a_config_map_that_is_emptied_at_one_stroke_keeps_its_keys() {
    let mut index = Index::default();
    let empty = |role| shard(role, &[]);
    index.apply("slipway-admins-0", shard(Role::Admin, &[("root", &[9])]));
    index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1]), ("bob", &[2])]));
    assert_eq!(index.apply("slipway-keys-0", empty(Role::User)), [Flaw::Emptied]);
    index.apply("slipway-keys-0", empty(Role::User));
    assert_eq!((who(&index, 1), broken(&index)), (alice(false), (1, 0)));
    // whom it names again, counts; whom it does not, does not
    index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1])]));
    assert_eq!((who(&index, 1), who(&index, 2), broken(&index)), (alice(false), None, (0, 0)));
    // to remove one user is to take his rights away
    assert_eq!(index.apply("slipway-keys-0", empty(Role::User)), []);
    assert_eq!((who(&index, 1), broken(&index)), (None, (0, 0)));
    // unless nobody were left who could give any
    assert_eq!(index.apply("slipway-admins-0", empty(Role::Admin)), [Flaw::Emptied]);
    assert!(who(&index, 9).is_some());
    index.remove("slipway-admins-0");
    assert_eq!((who(&index, 9), broken(&index)), (None, (0, 0)));
}

#[test]
fn a_config_map_without_its_label_keeps_its_keys_and_what_is_edited_in_it_counts() {
    let mut index = Index::default();
    index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1]), ("bob", &[2])]));
    assert_eq!(index.keep("slipway-keys-0", shard(Role::User, &[("alice", &[1])])), [Flaw::Unlabelled]);
    index.keep("slipway-keys-0", shard(Role::User, &[("alice", &[1])]));
    assert_eq!((who(&index, 1), who(&index, 2), broken(&index)), (alice(false), None, (1, 0)));
    assert_eq!(index.unlabelled(), ["slipway-keys-0"]);
    index.apply("slipway-keys-0", shard(Role::User, &[("alice", &[1])]));
    assert_eq!((index.unlabelled().len(), broken(&index)), (0, (0, 0)));
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
