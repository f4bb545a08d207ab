//! The logs of one app.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use tokio::fs;
use tokio::task::spawn_blocking;

use super::entry::{Deploy, Entry, Head, Outcome};
use super::writer::LogWriter;
use crate::domain::Event;

/// The directory inside a repository. git has none of that name.
const DIRECTORY: &str = "slipway-logs";
/// How many logs of an app are kept.
const KEPT: usize = 20;
/// How often a number is tried that somebody else takes at the same moment.
const ATTEMPTS: usize = 5;
/// Where the last line of a log begins at the latest, in bytes before its end.
const LAST_LINE: u64 = 16 << 10;

/// Why a log can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There is none of that number, or none at all.
    #[error("there is no such log: builds:list shows those that are kept")]
    None,
    /// The disk, or somebody's hands.
    #[error("the log cannot be read")]
    Unreadable(#[from] io::Error),
}

/// One log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The deploy.
    pub deploy: Deploy,
    /// What it printed.
    pub events: Vec<Event>,
    /// Whether there was more than is kept.
    pub cut: bool,
}

/// The logs of the app whose repository that is.
#[derive(Debug, Clone)]
pub struct Logs(PathBuf);

impl Logs {
    /// Those in an app's repository.
    pub fn of(repository: &Path) -> Self {
        Self(repository.join(DIRECTORY))
    }

    /// Begins the next one, and removes the oldest ones.
    pub async fn begin(&self, head: Head) -> LogWriter {
        match self.create().await {
            Ok(mut writer) => {
                writer.write(&Entry::Began(head)).await;
                writer.flush().await;
                writer
            }
            Err(error) => {
                tracing::warn!(%error, "the log of a deploy cannot be made");
                LogWriter::none()
            }
        }
    }

    /// Whether there are any.
    pub async fn any(&self) -> bool {
        self.numbers().await.is_ok_and(|numbers| !numbers.is_empty())
    }

    /// The deploys that have one, oldest first. One that cannot be read is left out.
    ///
    /// # Errors
    /// [`LogError::Unreadable`]
    pub async fn list(&self) -> Result<Vec<Deploy>, LogError> {
        let mut deploys = Vec::new();
        for number in self.numbers().await? {
            let path = self.path(number);
            let ends = spawn_blocking(move || ends(&path)).await.map_err(io::Error::from)?;
            match ends {
                Ok((head, outcome, written)) => deploys.push(Deploy::new(number, head, outcome, written)),
                Err(error) => tracing::warn!(number, %error, "a log cannot be read"),
            }
        }
        Ok(deploys)
    }

    /// One of them, or the newest.
    ///
    /// # Errors
    /// [`LogError`]
    pub async fn read(&self, number: Option<u64>) -> Result<Log, LogError> {
        let newest = self.numbers().await?.last().copied();
        let number = number.or(newest).ok_or(LogError::None)?;
        let path = self.path(number);
        let read = spawn_blocking(move || whole(number, &path)).await.map_err(io::Error::from)?;
        read.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => LogError::None,
            _ => LogError::Unreadable(error),
        })
    }

    async fn create(&self) -> io::Result<LogWriter> {
        fs::create_dir_all(&self.0).await?;
        for _ in 0..ATTEMPTS {
            let numbers = self.numbers().await?;
            let next = numbers.last().map_or(1, |last| last + 1);
            let path = self.path(next);
            let made = spawn_blocking(move || {
                let file = std::fs::File::create_new(path)?;
                // it is being written as long as it is locked
                file.lock()?;
                Ok::<_, io::Error>(file)
            });
            match made.await? {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(file) => {
                    self.remove_oldest(&numbers).await;
                    return Ok(LogWriter::new(fs::File::from_std(file)));
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    async fn remove_oldest(&self, before: &[u64]) {
        let surplus = (before.len() + 1).saturating_sub(KEPT);
        for number in before.iter().take(surplus) {
            if let Err(error) = fs::remove_file(self.path(*number)).await {
                tracing::warn!(number, %error, "an old log cannot be removed");
            }
        }
    }

    /// In order.
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

/// The first and the last line, and whether the file is still written.
fn ends(path: &Path) -> io::Result<(Head, Option<Outcome>, bool)> {
    let mut file = std::fs::File::open(path)?;
    let written = is_written(&file);
    let mut first = String::new();
    BufReader::new(&file).read_line(&mut first)?;
    let Entry::Began(head) = serde_json::from_str(&first)? else { return Err(no_head()) };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_LINE)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let last = tail.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    let outcome = match serde_json::from_slice(last) {
        Ok(Entry::Ended(outcome)) => Some(outcome),
        _ => None,
    };
    Ok((head, outcome, written))
}

/// A last line that was cut off with the gateway is no line.
fn whole(number: u64, path: &Path) -> io::Result<Log> {
    let file = std::fs::File::open(path)?;
    let written = is_written(&file);
    let (mut head, mut events, mut cut, mut outcome) = (None, Vec::new(), false, None);
    for line in BufReader::new(file).lines() {
        match serde_json::from_str(&line?) {
            Ok(Entry::Began(began)) => head = Some(began),
            Ok(Entry::Printed(event)) => events.push(event),
            Ok(Entry::Cut) => cut = true,
            Ok(Entry::Ended(ended)) => outcome = Some(ended),
            Err(_) => break,
        }
    }
    let head = head.ok_or_else(no_head)?;
    Ok(Log { deploy: Deploy::new(number, head, outcome, written), events, cut })
}

fn is_written(file: &std::fs::File) -> bool {
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

fn no_head() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it does not begin with what it is of")
}

#[cfg(test)]
mod tests {
    use super::super::entry::State;
    use super::*;
    use crate::domain::Revision;

    fn head() -> Head {
        let user = "alice".parse().unwrap();
        Head { what: "push".into(), user, commit: None, began: jiff::Timestamp::UNIX_EPOCH }
    }

    fn event(text: &str) -> Event {
        Event::Line { text: text.into() }
    }

    #[tokio::test]
    async fn what_was_printed_can_be_read_while_it_runs_and_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::of(dir.path());
        assert!(!logs.any().await && matches!(logs.read(None).await, Err(LogError::None)));
        let mut writer = logs.begin(head()).await;
        writer.event(&event("one")).await;
        writer.flush().await;
        let running = logs.read(None).await.unwrap();
        assert_eq!((running.deploy.state, running.events), (State::Running, vec![event("one")]));
        writer.end(Ok(Revision(3))).await;
        let over = logs.read(Some(1)).await.unwrap();
        assert_eq!(over.deploy.state, State::Deployed);
        assert_eq!(logs.list().await.unwrap(), [over.deploy]);
    }

    #[tokio::test]
    async fn what_a_killed_gateway_wrote_is_interrupted() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::of(dir.path());
        let mut writer = logs.begin(head()).await;
        writer.event(&event("one")).await;
        writer.flush().await;
        drop(writer);
        // the last line broke off
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().append(true).open(logs.path(1)).unwrap();
        file.write_all(b"{\"printed\":{\"ev").unwrap();
        let log = logs.read(None).await.unwrap();
        assert_eq!((log.deploy.state, log.events.len()), (State::Interrupted, 1));
        assert_eq!(logs.list().await.unwrap()[0].state, State::Interrupted);
    }

    #[tokio::test]
    async fn a_log_has_a_bound_and_so_has_their_number() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::of(dir.path());
        let mut writer = logs.begin(head()).await;
        for _ in 0..100 {
            writer.event(&event(&"x".repeat(100 << 10))).await;
        }
        writer.end(Err("it\u{1b}[31m failed".into())).await;
        let log = logs.read(None).await.unwrap();
        assert!(log.cut && log.events.len() < 50, "{}", log.events.len());
        assert_eq!(log.deploy.outcome.unwrap().error.as_deref(), Some("it failed"));
        for _ in 0..KEPT + 2 {
            logs.begin(head()).await.end(Ok(Revision(1))).await;
        }
        let numbers: Vec<u64> = logs.list().await.unwrap().iter().map(|deploy| deploy.number).collect();
        assert_eq!((numbers.len(), numbers.first(), numbers.last()), (KEPT, Some(&4), Some(&23)));
    }

    #[tokio::test]
    async fn a_disk_that_takes_no_log_fails_no_deploy() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(DIRECTORY), "in the way").unwrap();
        let mut writer = Logs::of(dir.path()).begin(head()).await;
        writer.event(&event("one")).await;
        writer.end(Ok(Revision(1))).await;
    }
}
