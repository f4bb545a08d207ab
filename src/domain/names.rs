//! Names that were checked once and are trusted afterwards.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not an app name.
    #[error(
        "invalid app name {0:?}: use lower-case letters, digits and '-', starting with a letter, \
         ending with a letter or digit, at most {max} characters",
        max = AppName::MAX
    )]
    App(String),
    /// A namespace that belongs to the cluster or to slipway itself.
    #[error("the app name {0:?} is reserved")]
    Reserved(String),
    /// Not a user name.
    #[error(
        "invalid user name {0:?}: use letters, digits, '.', '_' and '-', starting with a letter or \
         digit, at most {max} characters",
        max = UserName::MAX
    )]
    User(String),
    /// Not a full object id.
    #[error("{0:?} is not a full commit id")]
    Commit(String),
    /// Not a branch ref.
    #[error("{0:?} is not a branch")]
    Branch(String),
    /// Not an OCI digest.
    #[error("{0:?} is not a sha256 digest")]
    Digest(String),
}

macro_rules! text_name {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// An app: the name of its repository, its namespace and its release.
///
/// `^[a-z]([-a-z0-9]*[a-z0-9])?$`: a DNS-1035 label, as Service names are; at most 53 characters,
/// Helm's bound on release names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppName(String);
text_name!(AppName);

impl AppName {
    /// The longest name, in characters.
    pub const MAX: usize = 53;
}

impl FromStr for AppName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let valid = text.len() <= Self::MAX
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.chars().all(allowed);
        if !valid {
            return Err(NameError::App(text.to_owned()));
        }
        if text == "default" || text.starts_with("kube-") {
            return Err(NameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A person or machine that holds SSH keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);
text_name!(UserName);

impl UserName {
    /// The longest name, in characters; it has to fit a label value.
    pub const MAX: usize = 63;
}

impl FromStr for UserName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let edge = |c: char| c.is_ascii_alphanumeric();
        let valid =
            text.len() <= Self::MAX && text.starts_with(edge) && text.ends_with(edge) && text.chars().all(allowed);
        valid.then(|| Self(text.to_owned())).ok_or_else(|| NameError::User(text.to_owned()))
    }
}

/// A full commit id, SHA-1 or SHA-256, in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitSha(String);
text_name!(CommitSha);

impl CommitSha {
    /// The first seven digits, as people quote a commit.
    pub fn short(&self) -> &str {
        self.0.get(..7).unwrap_or(&self.0)
    }

    /// Whether this is git's all-zero id: "no object".
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }
}

impl FromStr for CommitSha {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let valid = matches!(text.len(), 40 | 64) && text.bytes().all(hex);
        valid.then(|| Self(text.to_owned())).ok_or_else(|| NameError::Commit(text.to_owned()))
    }
}

/// A branch, without `refs/heads/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(String);
text_name!(BranchName);

impl BranchName {
    /// The branch that a full ref name such as `refs/heads/main` names, if it names one.
    pub fn from_ref(reference: &str) -> Option<Self> {
        reference.strip_prefix("refs/heads/")?.parse().ok()
    }

    /// The full ref name.
    pub fn to_ref(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl FromStr for BranchName {
    type Err = NameError;

    /// Only what must never reach a command line or a terminal is refused here; git itself
    /// checks the rest of `git check-ref-format`'s rules.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let valid = !text.is_empty()
            && text.len() <= 255
            && !text.starts_with('-')
            && !text.chars().any(|c| c.is_control() || c.is_whitespace());
        valid.then(|| Self(text.to_owned())).ok_or_else(|| NameError::Branch(text.to_owned()))
    }
}

/// A content digest, `sha256:` and 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);
text_name!(Digest);

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let valid = text.strip_prefix("sha256:").is_some_and(|digits| digits.len() == 64 && digits.bytes().all(hex));
        valid.then(|| Self(text.to_owned())).ok_or_else(|| NameError::Digest(text.to_owned()))
    }
}

/// Where an image is pulled from, as a pod names it: `HOST/REPOSITORY@DIGEST`, or any reference
/// that a user gave to `slipway render`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageRef(String);

impl ImageRef {
    /// `registry/repository@digest`.
    pub fn by_digest(registry: &str, repository: &str, digest: &Digest) -> Self {
        Self(format!("{registry}/{repository}@{digest}"))
    }

    /// A reference that was written by hand and is used as it is.
    pub fn verbatim(reference: impl Into<String>) -> Self {
        Self(reference.into())
    }

    /// The reference as text.
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
    fn app_names_follow_the_rule_of_service_names() {
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
            assert!(matches!(bad.parse::<AppName>(), Err(NameError::App(_))), "{bad:?}");
        }
        for reserved in ["default", "kube-system", "kube-public"] {
            assert!(matches!(reserved.parse::<AppName>(), Err(NameError::Reserved(_))));
        }
    }

    #[test]
    fn commit_ids_are_whole_and_lower_case() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(sha.parse::<CommitSha>().unwrap().short(), "0123456");
        for bad in ["", "0123456", "HEAD", &sha.to_uppercase(), "--upload-pack=x"] {
            assert!(bad.parse::<CommitSha>().is_err(), "{bad}");
        }
        assert!("0".repeat(40).parse::<CommitSha>().unwrap().is_zero());
    }

    #[test]
    fn a_branch_is_what_stands_under_refs_heads() {
        assert_eq!(BranchName::from_ref("refs/heads/a/b").unwrap().as_str(), "a/b");
        assert_eq!(BranchName::from_ref("refs/tags/v1"), None);
        assert_eq!(BranchName::from_ref("refs/heads/-x"), None);
        assert_eq!(BranchName::from_ref("refs/heads/a\u{1b}[31m"), None);
    }
}
