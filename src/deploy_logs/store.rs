//! The stored deploy logs of one app.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::fs;
use tokio::task::spawn_blocking;

use super::entry::{DeploySummary, LogEntry, LogHeader};
use super::writer::DeployLogWriter;
use crate::domain::ProgressEvent;

/// The directory inside a repository. git has no directory of this name.
const DIRECTORY: &str = "slipway-logs";
/// How many logs are kept per app.
const MAX_LOGS: usize = 20;
/// How often the next number is tried while concurrent deploys take it first.
const MAX_ATTEMPTS: usize = 5;
/// The longest last line of a log, in bytes: the error message takes at most 4 bytes per character, and the other
/// fields a few hundred.
const MAX_LAST_LINE: u64 = 16 << 10;

#[derive(Debug, thiserror::Error)]
pub enum DeployLogError {
    #[error("there is no such log: builds:list shows the logs that are kept")]
    NotFound,
    #[error("the log cannot be read")]
    Unreadable(#[from] io::Error),
}

/// The log of one deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeployLog {
    pub summary: DeploySummary,
    pub events: Vec<ProgressEvent>,
    /// Whether output is missing because the log reached its size limit.
    pub truncated: bool,
}

/// The deploy logs of one app.
#[derive(Debug, Clone)]
pub struct DeployLogStore(PathBuf);

impl DeployLogStore {
    pub fn in_repository(repository: &Path) -> Self {
        Self(repository.join(DIRECTORY))
    }

    /// Starts the log of the next deploy, and removes the oldest logs.
    pub async fn start_log(&self, header: LogHeader) -> DeployLogWriter {
        match self.create().await {
            Ok(mut writer) => {
                writer.write(&LogEntry::Began(header)).await;
                writer.flush().await;
                writer
            }
            Err(error) => {
                tracing::warn!(%error, "cannot create the log of a deploy");
                DeployLogWriter::disabled()
            }
        }
    }

    pub async fn has_any(&self) -> bool {
        self.numbers().await.is_ok_and(|numbers| !numbers.is_empty())
    }

    /// The deploys with a log, oldest first. An unreadable log is left out.
    ///
    /// # Errors
    /// [`DeployLogError::Unreadable`] if the directory cannot be read.
    pub async fn list(&self) -> Result<Vec<DeploySummary>, DeployLogError> {
        let mut deploys = Vec::new();
        for number in self.numbers().await? {
            let path = self.path(number);
            let summary = spawn_blocking(move || read_summary(number, &path)).await.map_err(io::Error::from)?;
            match summary {
                Ok(summary) => deploys.push(summary),
                Err(error) => tracing::warn!(number, %error, "cannot read the log of a deploy"),
            }
        }
        Ok(deploys)
    }

    /// The log with this number, or the newest log.
    ///
    /// # Errors
    /// [`DeployLogError`]
    pub async fn read(&self, number: Option<u64>) -> Result<DeployLog, DeployLogError> {
        let newest = self.numbers().await?.last().copied();
        let number = number.or(newest).ok_or(DeployLogError::NotFound)?;
        let path = self.path(number);
        let read = spawn_blocking(move || read_all(number, &path)).await.map_err(io::Error::from)?;
        read.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => DeployLogError::NotFound,
            _ => DeployLogError::Unreadable(error),
        })
    }

    async fn create(&self) -> io::Result<DeployLogWriter> {
        fs::create_dir_all(&self.0).await?;
        for _ in 0..MAX_ATTEMPTS {
            let numbers = self.numbers().await?;
            let next = numbers.last().map_or(1, |last| last + 1);
            let path = self.path(next);
            let created = spawn_blocking(move || {
                let file = std::fs::File::create_new(path)?;
                // The lock marks the log of a running deploy.
                file.lock()?;
                Ok::<_, io::Error>(file)
            });
            match created.await? {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(file) => {
                    self.remove_oldest(&numbers).await;
                    return Ok(DeployLogWriter::new(fs::File::from_std(file)));
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// `older` are the numbers of the logs before the newest one.
    async fn remove_oldest(&self, older: &[u64]) {
        let surplus = (older.len() + 1).saturating_sub(MAX_LOGS);
        for number in older.iter().take(surplus) {
            if let Err(error) = fs::remove_file(self.path(*number)).await {
                tracing::warn!(number, %error, "cannot remove the log of an old deploy");
            }
        }
    }

    /// The numbers of the logs, ascending.
    async fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut entries = match fs::read_dir(&self.0).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut numbers = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name();
            numbers.extend(name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.0.join(format!("{number}.jsonl"))
    }
}

/// Reads the first and the last line.
fn read_summary(number: u64, path: &Path) -> io::Result<DeploySummary> {
    let mut file = std::fs::File::open(path)?;
    let in_progress = is_in_progress(&file);
    let mut first = String::new();
    BufReader::new(&file).read_line(&mut first)?;
    let LogEntry::Began(header) = serde_json::from_str(&first)? else { return Err(missing_header()) };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_LAST_LINE)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let last = tail.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    let result = match serde_json::from_slice(last) {
        Ok(LogEntry::Ended(result)) => Some(result),
        _ => None,
    };
    Ok(DeploySummary::new(number, header, result, in_progress))
}

/// Ignores an incomplete last line, which a killed gateway leaves.
fn read_all(number: u64, path: &Path) -> io::Result<DeployLog> {
    let file = std::fs::File::open(path)?;
    let in_progress = is_in_progress(&file);
    let (mut header, mut events, mut truncated, mut result) = (None, Vec::new(), false, None);
    for line in BufReader::new(file).lines() {
        match serde_json::from_str(&line?) {
            Ok(LogEntry::Began(began)) => header = Some(began),
            Ok(LogEntry::Printed(event)) => events.push(event),
            Ok(LogEntry::Truncated) => truncated = true,
            Ok(LogEntry::Ended(ended)) => result = Some(ended),
            Err(_) => break,
        }
    }
    let header = header.ok_or_else(missing_header)?;
    Ok(DeployLog { summary: DeploySummary::new(number, header, result, in_progress), events, truncated })
}

/// A running deploy holds an exclusive lock on its log; the kernel frees the lock when the gateway is killed.
fn is_in_progress(file: &std::fs::File) -> bool {
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

fn missing_header() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the first line is not the header of a deploy log")
}

#[cfg(test)]
mod tests {
    use super::super::entry::DeployState;
    use super::*;
    use crate::domain::Revision;

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
        let mut file = std::fs::OpenOptions::new().append(true).open(logs.path(1)).unwrap();
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

    #[tokio::test]
    async fn a_deploy_goes_on_without_a_log_if_the_disk_refuses_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(DIRECTORY), "in the way").unwrap();
        let mut writer = DeployLogStore::in_repository(dir.path()).start_log(header()).await;
        writer.write_event(&event("one")).await;
        writer.finish(Ok(Revision(1))).await;
    }
}
