//! Revisions: the numbers of releases.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a revision: write a number such as v3 or 3")]
pub struct ParseRevisionError(String);

/// The number of a release, counted from 1 in each app, as in Helm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u32);

impl Revision {
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl FromStr for Revision {
    type Err = ParseRevisionError;

    fn from_str(text: &str) -> Result<Self, ParseRevisionError> {
        let digits = text.strip_prefix('v').unwrap_or(text);
        let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
        number.filter(|number| *number > 0).map(Self).ok_or_else(|| ParseRevisionError(text.to_owned()))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_read_with_and_without_its_letter() {
        for text in ["v12", "12"] {
            assert_eq!(text.parse(), Ok(Revision(12)));
        }
        for text in ["", "v", "v0", "+1", "vv1", "-1", "4294967296", "v1 "] {
            assert_eq!(text.parse::<Revision>(), Err(ParseRevisionError(text.to_owned())), "{text}");
        }
    }
}
