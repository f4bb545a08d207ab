//! The pre-receive hook: `slipway hook` at one end of a unix socket, the gateway at the other.
//!
//! Both ends speak JSON, one value a line. The hook says once what is pushed; the gateway answers
//! with lines for the pusher and at last with the exit status, which is its verdict.

mod listener;
mod relay;

use serde::{Deserialize, Serialize};

use super::updates::RefUpdate;
use crate::domain::Quarantine;

pub use listener::{HookCall, HookListener};
pub use relay::relay;

/// The longest line either end reads: what [`super::updates::MAX_UPDATES`] refs of the longest
/// names and the push options need, twice over.
const MAX_LINE: u64 = 2 << 20;

/// What a push wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRequest {
    /// The refs, in the order in which git will move them.
    pub updates: Vec<RefUpdate>,
    /// What the pusher gave as `git push -o`, each as it is.
    pub options: Vec<String>,
    /// Where the pushed objects are. A push that only deletes brings none.
    pub quarantine: Option<Quarantine>,
}

/// What the gateway answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply {
    /// A line for the pusher.
    Line(String),
    /// The verdict, after which nothing follows.
    Exit(u8),
}
