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

impl Identity {
    /// Whether `now`, the identity of the same key at a later time, has the rights of this one.
    pub fn is_still(&self, now: &Self) -> bool {
        now.user == self.user && (now.admin || !self.admin)
    }
}

/// The rights of a stored key. Ordered: an admin may do everything that a user may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    User,
    Admin,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_ends_when_its_key_changes_hands_or_is_no_longer_an_admins() {
        let identity =
            |user: &str, admin| Identity { user: user.parse().unwrap(), admin, fingerprint: "SHA256:x".into() };
        assert!(identity("alice", false).is_still(&identity("alice", true)));
        assert!(identity("alice", true).is_still(&identity("alice", true)));
        assert!(!identity("alice", true).is_still(&identity("alice", false)));
        assert!(!identity("alice", false).is_still(&identity("bob", true)));
    }
}
