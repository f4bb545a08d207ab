//! The stored deploy logs of one app.

use std::io;
use std::path::Path;

use tokio::task::spawn_blocking;

use super::directory::LogDirectory;
use super::entry::{DeployLog, DeploySummary, LogEntry, LogHeader};
use super::read::{read_all, read_summary};
use super::writer::{DeployLogWriter, to_line};

#[derive(Debug, thiserror::Error)]
pub enum DeployLogError {
    #[error("there is no such log: builds:list shows the logs that are kept")]
    NotFound,
    #[error("the log cannot be read")]
    Unreadable(#[source] io::Error),
}

impl From<io::Error> for DeployLogError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            _ => Self::Unreadable(error),
        }
    }
}

/// The deploy logs of one app.
#[derive(Debug, Clone)]
pub struct DeployLogStore(LogDirectory);

impl DeployLogStore {
    pub fn in_repository(repository: &Path) -> Self {
        Self(LogDirectory::in_repository(repository))
    }

    /// Starts the log of the next deploy, and removes the oldest logs.
    pub async fn start_log(&self, header: LogHeader) -> DeployLogWriter {
        let created = self.in_background(move |logs| {
            let first_line = to_line(&LogEntry::Began(header))?;
            Ok(DeployLogWriter::new(logs.create(&first_line)?, first_line.len()))
        });
        created.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot create the log of a deploy");
            DeployLogWriter::disabled()
        })
    }

    pub async fn has_any(&self) -> bool {
        self.in_background(LogDirectory::numbers).await.is_ok_and(|numbers| !numbers.is_empty())
    }

    /// The deploys with a log, oldest first. An unreadable log is left out.
    ///
    /// # Errors
    /// [`DeployLogError::Unreadable`] if the directory cannot be read.
    pub async fn list(&self) -> Result<Vec<DeploySummary>, DeployLogError> {
        let list = |logs: &LogDirectory| {
            let numbers = logs.numbers()?;
            Ok(numbers.into_iter().filter_map(|number| summarize(logs, number)).collect())
        };
        Ok(self.in_background(list).await?)
    }

    /// The log with this number, or the newest log.
    ///
    /// # Errors
    /// [`DeployLogError`]
    pub async fn read(&self, number: Option<u64>) -> Result<DeployLog, DeployLogError> {
        let read = move |logs: &LogDirectory| {
            let newest = logs.numbers()?.last().copied();
            let number = number.or(newest).ok_or(io::ErrorKind::NotFound)?;
            read_all(number, &logs.path(number))
        };
        Ok(self.in_background(read).await?)
    }

    async fn in_background<T: Send + 'static>(
        &self,
        work: impl FnOnce(&LogDirectory) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let logs = self.0.clone();
        spawn_blocking(move || work(&logs)).await?
    }
}

fn summarize(logs: &LogDirectory, number: u64) -> Option<DeploySummary> {
    let summary = read_summary(number, &logs.path(number));
    summary.inspect_err(|error| tracing::warn!(number, %error, "cannot read the log of a deploy")).ok()
}

#[cfg(test)]
mod tests {
    use super::super::directory::MAX_LOGS;
    use super::super::entry::DeployState;
    use super::*;
    use crate::domain::{ProgressEvent, Revision};

    fn header() -> LogHeader {
        let user = "alice".parse().unwrap();
        LogHeader { kind: "push".into(), user, commit: None, began: jiff::Timestamp::UNIX_EPOCH }
    }

    fn event(text: &str) -> ProgressEvent {
        ProgressEvent::Line { text: text.into() }
    }

    #[tokio::test]
    async fn a_log_can_be_read_during_and_after_its_deploy() {
        let dir = tempfile::tempdir().unwrap();
        let logs = DeployLogStore::in_repository(dir.path());
        assert!(!logs.has_any().await && matches!(logs.read(None).await, Err(DeployLogError::NotFound)));
        let mut writer = logs.start_log(header()).await;
        writer.write_event(&event("one")).await;
        writer.flush().await;
        let running = logs.read(None).await.unwrap();
        assert_eq!((running.summary.state, running.events), (DeployState::Running, vec![event("one")]));
        writer.finish(Ok(Revision(3))).await;
        let finished = logs.read(Some(1)).await.unwrap();
        assert_eq!(finished.summary.state, DeployState::Deployed);
        assert_eq!(logs.list().await.unwrap(), [finished.summary]);
    }

    #[tokio::test]
    async fn the_deploy_of_a_killed_gateway_is_interrupted() {
        let dir = tempfile::tempdir().unwrap();
        let logs = DeployLogStore::in_repository(dir.path());
        let mut writer = logs.start_log(header()).await;
        writer.write_event(&event("one")).await;
        writer.flush().await;
        drop(writer);
        // an incomplete last line
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().append(true).open(logs.0.path(1)).unwrap();
        file.write_all(b"{\"printed\":{\"ev").unwrap();
        let log = logs.read(None).await.unwrap();
        assert_eq!((log.summary.state, log.events.len()), (DeployState::Interrupted, 1));
        assert_eq!(logs.list().await.unwrap()[0].state, DeployState::Interrupted);
    }

    #[tokio::test]
    async fn the_size_and_the_number_of_logs_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let logs = DeployLogStore::in_repository(dir.path());
        let mut writer = logs.start_log(header()).await;
        for _ in 0..100 {
            writer.write_event(&event(&"x".repeat(100 << 10))).await;
        }
        writer.finish(Err("it\u{1b}[31m failed".into())).await;
        let log = logs.read(None).await.unwrap();
        assert!(log.truncated && log.events.len() < 50, "{}", log.events.len());
        assert_eq!(log.summary.result.unwrap().error.as_deref(), Some("it failed"));
        for _ in 0..MAX_LOGS + 2 {
            logs.start_log(header()).await.finish(Ok(Revision(1))).await;
        }
        let numbers: Vec<u64> = logs.list().await.unwrap().iter().map(|deploy| deploy.number).collect();
        assert_eq!((numbers.len(), numbers.first(), numbers.last()), (MAX_LOGS, Some(&4), Some(&23)));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_log_is_readable_from_the_moment_it_appears() {
        let dir = tempfile::tempdir().unwrap();
        let logs = DeployLogStore::in_repository(dir.path());
        let reader = logs.clone();
        let reading = tokio::spawn(async move {
            loop {
                match reader.read(None).await {
                    Err(DeployLogError::NotFound) => {}
                    Ok(log) if log.summary.number < 300 => assert_ne!(log.summary.state, DeployState::Interrupted),
                    Ok(_) => return,
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
        for _ in 0..300 {
            logs.start_log(header()).await.finish(Ok(Revision(1))).await;
        }
        reading.await.unwrap();
    }

    #[tokio::test]
    async fn a_deploy_goes_on_without_a_log_if_the_disk_refuses_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("slipway-logs"), "in the way").unwrap();
        let mut writer = DeployLogStore::in_repository(dir.path()).start_log(header()).await;
        writer.write_event(&event("one")).await;
        writer.finish(Ok(Revision(1))).await;
    }
}
