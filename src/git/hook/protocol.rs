//! The messages between `slipway hook` and the gateway: JSON, one value per line.
//!
//! The hook sends one request. The gateway replies with lines for the pusher and, last, with the hook's exit status.

use serde::{Deserialize, Serialize};

use crate::domain::Quarantine;
use crate::git::ref_policy::RefUpdate;

/// The longest message that either side reads: twice what [`crate::git::ref_policy::MAX_UPDATES`] refs with the longest
/// names and the push options need.
pub(super) const MAX_MESSAGE_LEN: u64 = 2 << 20;

/// A push, as git describes it to its pre-receive hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRequest {
    /// In the order in which git will move the refs.
    pub updates: Vec<RefUpdate>,
    /// The values of `git push -o`, unparsed.
    pub options: Vec<String>,
    /// The directory of the pushed objects. `None` for a push that only deletes refs: it brings no objects.
    pub quarantine: Option<Quarantine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    /// A line for the pusher.
    Line(String),
    /// The hook's exit status; nothing follows it.
    Exit(u8),
}

/// The gateway's decision about a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// git moves the refs.
    Accept,
    /// git discards the pushed objects and leaves the refs.
    Reject,
}

impl Verdict {
    pub(super) fn exit_status(self) -> u8 {
        match self {
            Self::Accept => 0,
            Self::Reject => 1,
        }
    }
}
