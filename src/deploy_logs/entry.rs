//! The lines of a deploy log, and the summary of a deploy.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{CommitSha, ProgressEvent, Revision, UserName};

/// One line of a deploy log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LogEntry {
    /// The first line.
    Began(LogHeader),
    Printed(ProgressEvent),
    /// The log reached its size limit: later output is dropped.
    #[serde(rename = "cut")]
    Truncated,
    /// The last line. Missing if the gateway was killed during the deploy.
    Ended(DeployResult),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHeader {
    /// `push`, `redeploy` or `rollback`.
    #[serde(rename = "what")]
    pub kind: String,
    pub user: UserName,
    /// None for a rollback, which finds its revision later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitSha>,
    pub began: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployResult {
    pub ended: Timestamp,
    /// The released revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The message for the pusher, if the deploy was refused or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeployState {
    Deployed,
    /// The deploy was refused, or failed.
    Failed,
    Running,
    /// The gateway ended during the deploy.
    Interrupted,
}

impl DeployState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A deploy, as `builds:list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeploySummary {
    /// Counted from 1 in each app.
    pub number: u64,
    #[serde(flatten)]
    pub header: LogHeader,
    pub state: DeployState,
    #[serde(flatten)]
    pub result: Option<DeployResult>,
}

/// The log of one deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeployLog {
    pub summary: DeploySummary,
    pub events: Vec<ProgressEvent>,
    /// Whether output is missing because the log reached its size limit.
    pub truncated: bool,
}

/// Whether a deploy still writes a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogProgress {
    InProgress,
    Complete,
}

impl DeploySummary {
    pub(super) fn new(number: u64, header: LogHeader, result: Option<DeployResult>, progress: LogProgress) -> Self {
        let state = match &result {
            Some(DeployResult { error: None, .. }) => DeployState::Deployed,
            Some(_) => DeployState::Failed,
            None => match progress {
                LogProgress::InProgress => DeployState::Running,
                LogProgress::Complete => DeployState::Interrupted,
            },
        };
        Self { number, header, state, result }
    }
}
