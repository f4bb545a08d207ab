//! Text that may enter a Dockerfile as it is.

use serde::Serialize;

/// Part of an instruction that cannot end the instruction, quote, expand a variable or start a comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Word(String);

impl Word {
    /// None if the text has other characters.
    pub(super) fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        is_word(&text).then_some(Self(text))
    }

    /// A text of slipway's own; it may be empty.
    pub(super) fn fixed(text: &'static str) -> Self {
        debug_assert!(text.is_empty() || is_word(text), "{text:?}");
        Self(text.to_owned())
    }

    /// The word with a text of slipway's own after it.
    pub(super) fn followed_by(&self, suffix: &'static str) -> Self {
        debug_assert!(suffix.is_empty() || is_word(suffix), "{suffix:?}");
        Self(format!("{}{suffix}", self.0))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a Dockerfile and a shell read the text as one word that stands for itself.
pub(super) fn is_word(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b':' | b'@' | b'+' | b'-');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_no_character_with_a_meaning() {
        for good in ["3.12-slim", "mirror.example:5000/python@sha256:0", "@yarnpkg/cli-dist"] {
            assert!(Word::new(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "a\nRUN b", "a\"", "$a", "a\\", "a#b", "é", "a;b", "~", "{a,b}"] {
            assert!(Word::new(bad).is_none(), "{bad}");
        }
    }
}
