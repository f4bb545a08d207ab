//! What can be wrong with the ConfigMaps of keys.

use russh::keys::ssh_key::Fingerprint;

use super::parse::Problem;
use crate::domain::UserName;

/// Something in a ConfigMap that an operator should look at.
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
    #[error("all of its entries are gone at once; the keys it held before stay valid until it is mended or deleted")]
    Emptied,
    #[error("it has lost the label {}; its keys stay valid until it is mended or deleted", crate::domain::labels::KEYS)]
    Unlabelled,
    #[error(
        "the key {fingerprint} stands under {first} and under {second}; it lets nobody in until one of them is removed"
    )]
    Shared { fingerprint: Fingerprint, first: UserName, second: UserName },
}
