//! The lines of a log, and what they say of a deploy as a whole.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{CommitSha, Event, Revision, UserName};

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// The first one.
    Began(Head),
    /// What was printed.
    Printed(Event),
    /// The rest is not kept: there was too much of it.
    Cut,
    /// The last one. A deploy whose gateway was killed has none.
    Ended(Outcome),
}

/// What a deploy is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// `push`, `redeploy` or `rollback`.
    pub what: String,
    /// Who asked for it.
    pub user: UserName,
    /// What is deployed, where that is known from the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitSha>,
    /// When it began.
    pub began: Timestamp,
}

/// How a deploy ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// When.
    pub ended: Timestamp,
    /// The revision that is live, if it went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What became of a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its release went live.
    Deployed,
    /// It was refused, or failed.
    Failed,
    /// It is not over.
    Running,
    /// Its gateway ended before it did.
    Interrupted,
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A deploy, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deploy {
    /// Its number; the app's first is 1.
    pub number: u64,
    /// What it is.
    #[serde(flatten)]
    pub head: Head,
    /// What became of it.
    pub state: State,
    /// How it ended, if it did.
    #[serde(flatten)]
    pub outcome: Option<Outcome>,
}

impl Deploy {
    /// From what its log says, and whether somebody still writes it.
    pub(super) fn new(number: u64, head: Head, outcome: Option<Outcome>, written: bool) -> Self {
        let state = match &outcome {
            Some(Outcome { error: None, .. }) => State::Deployed,
            Some(_) => State::Failed,
            None if written => State::Running,
            None => State::Interrupted,
        };
        Self { number, head, state, outcome }
    }
}
