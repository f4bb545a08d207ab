//! The authenticated user, and the two roles of a key.

use crate::domain::UserName;

/// The user who proved possession of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub user: UserName,
    /// Whether the key is stored as an admin's key.
    pub admin: bool,
    /// The key's SHA-256 fingerprint, as OpenSSH prints it.
    pub fingerprint: String,
}

/// The rights of a stored key. Ordered: an admin may do everything that a user may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    User,
    Admin,
}
