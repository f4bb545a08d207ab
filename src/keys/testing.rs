//! Keys and ConfigMaps for tests.

use super::parse::{AuthorizedKey, parse_authorized_keys};
use super::shard::Shard;
use crate::auth::Role;
use crate::domain::UserName;

/// A distinct key for each number.
pub(super) fn key(number: usize) -> AuthorizedKey {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
    let pair = russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&seed);
    let line = russh::keys::PublicKey::from(pair.public).to_openssh().unwrap();
    parse_authorized_keys(format!("{line} key {number}").as_bytes()).unwrap().remove(0)
}

pub(super) fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

/// A ConfigMap with entries of user → key numbers.
pub(super) fn shard(role: Role, entries: &[(&str, &[usize])]) -> Shard {
    let lines = |numbers: &[usize]| numbers.iter().map(|n| key(*n).line().to_owned() + "\n").collect();
    let entries = entries.iter().map(|(user, numbers)| ((*user).to_owned(), lines(numbers))).collect();
    Shard { role, uid: "1".into(), resource_version: "1".into(), entries }
}
