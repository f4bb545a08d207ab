//! Tasks that run at set times.

use serde::Serialize;

use super::command::Command;

/// The name of a cron task: an RFC 1123 label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TaskName(String);

impl TaskName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for TaskName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TaskName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        super::process::check_label(&text).map(|()| Self(text))
    }
}

/// The five fields of crontab(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CronSchedule(String);

impl CronSchedule {
    /// `text` has been checked by a parser of cron lines.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The choice at the time of a task whose run before has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum ConcurrencyPolicy {
    #[default]
    Allow,
    Forbid,
    Replace,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CronTask {
    pub command: Command,
    pub schedule: CronSchedule,
    /// A name of the IANA database. Without one, the time is that of the cluster's controller, mostly UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    pub concurrency: ConcurrencyPolicy,
}
