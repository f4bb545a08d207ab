//! Validated names: a value of one of these types is well-formed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is not a well-formed name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error(
        "invalid app name {0:?}: use lower-case letters, digits and '-', starting with a letter, \
         ending with a letter or digit, at most {max} characters",
        max = AppName::MAX_LEN
    )]
    InvalidApp(String),
    /// The name of a namespace that Kubernetes uses itself.
    #[error("the app name {0:?} is reserved")]
    ReservedApp(String),
    #[error(
        "invalid user name {0:?}: use letters, digits, '.', '_' and '-', starting with a letter or \
         digit, at most {max} characters",
        max = UserName::MAX_LEN
    )]
    InvalidUser(String),
    #[error(
        "invalid namespace {0:?}: use lower-case letters, digits and '-', starting and ending with a letter or digit, \
         at most 63 characters"
    )]
    InvalidNamespace(String),
    #[error(
        "invalid release name {0:?}: use lower-case letters, digits, '-' and '.', starting and ending with a letter or \
         digit, at most 53 characters"
    )]
    InvalidRelease(String),
    #[error(
        "invalid cluster name {0:?}: use lower-case letters, digits and '-', starting and ending with a letter or \
         digit, at most 63 characters"
    )]
    InvalidCluster(String),
    #[error("{0:?} is not a full commit id")]
    InvalidCommit(String),
    #[error("{0:?} is not a branch")]
    InvalidBranch(String),
    #[error("{0:?} is not a sha256 digest")]
    InvalidDigest(String),
}

macro_rules! string_newtype {
    ($name:ident) => {
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}
pub(super) use string_newtype;

/// The name of an app, and of its repository, its namespace and its release.
///
/// `^[a-z]([-a-z0-9]*[a-z0-9])?$`: a DNS-1035 label, as the name of a Service has to be. At most 53 characters: Helm's
/// limit for release names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppName(String);
string_newtype!(AppName);

impl AppName {
    /// In characters.
    pub const MAX_LEN: usize = 53;
}

impl FromStr for AppName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let valid = text.len() <= Self::MAX_LEN
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.chars().all(allowed);
        if !valid {
            return Err(NameError::InvalidApp(text.to_owned()));
        }
        if text == "default" || text.starts_with("kube-") {
            return Err(NameError::ReservedApp(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The name of a person or machine with SSH keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);
string_newtype!(UserName);

impl UserName {
    /// In characters: the limit of a label value.
    pub const MAX_LEN: usize = 63;
}

impl FromStr for UserName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let edge = |c: char| c.is_ascii_alphanumeric();
        let valid =
            text.len() <= Self::MAX_LEN && text.starts_with(edge) && text.ends_with(edge) && text.chars().all(allowed);
        valid.then(|| Self(text.to_owned())).ok_or_else(|| NameError::InvalidUser(text.to_owned()))
    }
}

/// A full commit id, SHA-1 or SHA-256, in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitSha(String);
string_newtype!(CommitSha);

impl CommitSha {
    /// The first seven digits, git's default abbreviation.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }

    /// Whether this is the all-zero id, git's "no object".
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }
}

impl FromStr for CommitSha {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let valid = matches!(text.len(), 40 | 64) && text.bytes().all(hex);
        valid.then(|| Self(text.to_owned())).ok_or_else(|| NameError::InvalidCommit(text.to_owned()))
    }
}

/// The name of a branch, without `refs/heads/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(String);
string_newtype!(BranchName);

impl BranchName {
    /// The branch of a full ref name such as `refs/heads/main`. None if the ref is not a branch.
    pub fn from_ref(reference: &str) -> Option<Self> {
        reference.strip_prefix("refs/heads/")?.parse().ok()
    }

    /// The full ref name, `refs/heads/…`.
    pub fn to_ref(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl FromStr for BranchName {
    type Err = NameError;

    /// Refuses only names that are unsafe on a command line or a terminal; git itself checks the other rules of
    /// `git check-ref-format`.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let valid = !text.is_empty()
            && text.len() <= 255
            && !text.starts_with('-')
            && !text.chars().any(|c| c.is_control() || c.is_whitespace());
        valid.then(|| Self(text.to_owned())).ok_or_else(|| NameError::InvalidBranch(text.to_owned()))
    }
}

/// A content digest, `sha256:` and 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);
string_newtype!(Digest);

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let valid = text.strip_prefix("sha256:").is_some_and(|digits| digits.len() == 64 && digits.bytes().all(hex));
        valid.then(|| Self(text.to_owned())).ok_or_else(|| NameError::InvalidDigest(text.to_owned()))
    }
}

/// An image reference for pods: `HOST/REPOSITORY@DIGEST`, or any reference that a user gave to `slipway render`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageRef(String);

impl ImageRef {
    pub fn by_digest(registry: &str, repository: &str, digest: &Digest) -> Self {
        Self(format!("{registry}/{repository}@{digest}"))
    }

    /// Takes a reference that a user wrote, without validation.
    pub fn verbatim(reference: impl Into<String>) -> Self {
        Self(reference.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_names_follow_the_rules_for_names_of_services() {
        for good in ["a", "myapp", "a-1", "x9", &"a".repeat(53)] {
            assert!(good.parse::<AppName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-",
            "--help",
            "-oProxyCommand=x",
            "../x",
            "/x",
            "a/b",
            "a\0",
            "%2e",
            "App",
            "1a",
            "a-",
            "a_b",
            "a.b",
            "é",
            "a\n",
            &"a".repeat(54),
        ] {
            assert!(matches!(bad.parse::<AppName>(), Err(NameError::InvalidApp(_))), "{bad:?}");
        }
        for reserved in ["default", "kube-system", "kube-public"] {
            assert!(matches!(reserved.parse::<AppName>(), Err(NameError::ReservedApp(_))));
        }
    }

    #[test]
    fn a_commit_id_is_complete_and_in_lower_case() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(sha.parse::<CommitSha>().unwrap().short(), "0123456");
        for bad in ["", "0123456", "HEAD", &sha.to_uppercase(), "--upload-pack=x"] {
            assert!(bad.parse::<CommitSha>().is_err(), "{bad}");
        }
        assert!("0".repeat(40).parse::<CommitSha>().unwrap().is_zero());
    }

    #[test]
    fn a_branch_is_read_from_a_ref_under_refs_heads_only() {
        assert_eq!(BranchName::from_ref("refs/heads/a/b").unwrap().as_str(), "a/b");
        assert_eq!(BranchName::from_ref("refs/tags/v1"), None);
        assert_eq!(BranchName::from_ref("refs/heads/-x"), None);
        assert_eq!(BranchName::from_ref("refs/heads/a\u{1b}[31m"), None);
    }
}
