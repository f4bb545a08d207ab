//! Issues of key ConfigMaps.

use russh::keys::ssh_key::Fingerprint;

use super::parse::KeyLineError;
use crate::domain::{UserName, labels};

/// An issue of a key ConfigMap that an operator has to fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyIssue {
    #[error("{name:?} is not a user name; the keys of this entry are ignored")]
    InvalidUserName { name: String },
    #[error("line {line} of {user} is ignored: {error}")]
    InvalidLine { user: UserName, line: usize, error: KeyLineError },
    #[error(
        "the entry of {user} has no valid key; the keys it had before stay valid until the entry is fixed or removed"
    )]
    Unreadable { user: UserName },
    #[error("all entries were removed at once; the previous keys stay valid until the ConfigMap is fixed or deleted")]
    Emptied,
    #[error(
        "the label {} is missing or wrong; the keys stay valid until the ConfigMap is fixed or deleted",
        labels::KEYS
    )]
    Unlabelled,
    #[error(
        "the key {fingerprint} belongs to both {first} and {second}; it is refused until one of the two is removed"
    )]
    DuplicateKey { fingerprint: Fingerprint, first: UserName, second: UserName },
}
