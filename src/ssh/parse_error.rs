//! Errors of command lines.

use crate::domain::NameError;

/// How many characters of an unknown command an error message repeats.
const MAX_QUOTED_CHARS: usize = 60;

/// The reason for which an exec line is not a valid command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseCommandError {
    #[error("the command is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("the command contains control characters, `#` or text that is not UTF-8")]
    InvalidCharacters,
    #[error("the command has an unclosed quote")]
    UnclosedQuote,
    #[error("unknown command {0:?}: `help` lists the commands")]
    UnknownCommand(String),
    /// A command of Git LFS, which runs before `git push` where it is installed.
    #[error(
        "slipway does not support Git LFS. To commit the files themselves: git lfs migrate export --everything \
         --include='*'. To push the pointers alone: git push --no-verify"
    )]
    GitLfs,
    /// The arguments of a known command are invalid.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    InvalidName(#[from] NameError),
}

impl ParseCommandError {
    pub(super) fn unknown(words: &[&str]) -> Self {
        let line = words.join(" ");
        let mut quoted: String = line.chars().take(MAX_QUOTED_CHARS).collect();
        if quoted.len() < line.len() {
            quoted.push('…');
        }
        Self::UnknownCommand(quoted)
    }
}
