//! The answer to a push.

use serde::Serialize;

use super::git_client::GitExit;
use crate::domain::{AppName, Revision};

/// A push to which git has answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReceivedPush {
    pub app: AppName,
    pub result: PushResult,
    /// The deployed revision.
    pub revision: Option<Revision>,
    /// Advice for a pusher to whom git says that everything is up to date.
    #[serde(skip)]
    pub advice: Option<String>,
    /// receive-pack ends with 0 once it has reported a refusal.
    #[serde(skip)]
    pub git: GitExit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PushResult {
    /// The release is live.
    Deployed,
    /// The push does not move the deploy branch.
    Stored,
    /// The hook refused the push, and told the pusher why.
    Refused,
    /// git did not start the hook: the push changed nothing, or git itself rejected it first.
    Unchanged,
}

impl PushResult {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Stored => "stored",
            Self::Refused => "refused",
            Self::Unchanged => "unchanged",
        }
    }
}
