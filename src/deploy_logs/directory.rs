//! The files of an app's deploy logs.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::entry::LogProgress;
use super::read::read_progress;

/// The directory inside a repository. git has no directory of this name.
const DIRECTORY: &str = "slipway-logs";
/// How many logs are kept per app, beside those of running deploys.
pub(super) const MAX_LOGS: usize = 20;
/// How often the next number is tried while concurrent deploys take it first.
const MAX_ATTEMPTS: usize = 5;
/// The prefix of a log that has no number yet.
const TEMP_PREFIX: &str = ".new-";

#[derive(Debug, Clone)]
pub(super) struct LogDirectory(PathBuf);

impl LogDirectory {
    pub fn in_repository(repository: &Path) -> Self {
        Self(repository.join(DIRECTORY))
    }

    pub fn path(&self, number: u64) -> PathBuf {
        self.0.join(format!("{number}.jsonl"))
    }

    /// The numbers of the logs, ascending.
    pub fn numbers(&self) -> io::Result<Vec<u64>> {
        let names = self.names()?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.strip_suffix(".jsonl")?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Creates the next log with this first line, and removes the oldest logs. The file stays locked until it is
    /// closed.
    pub fn create(&self, first_line: &[u8]) -> io::Result<File> {
        fs::create_dir_all(&self.0)?;
        for _ in 0..MAX_ATTEMPTS {
            let numbers = self.numbers()?;
            match self.create_numbered(numbers.last().map_or(1, |last| last + 1), first_line) {
                // A concurrent deploy took the number, or removed the file before it was locked.
                Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {}
                Err(error) => return Err(error),
                Ok(file) => {
                    self.remove_oldest(&numbers);
                    self.remove_abandoned();
                    return Ok(file);
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// The file gets its name once it is locked and has its first line, so that no reader finds it without them.
    fn create_numbered(&self, number: u64, first_line: &[u8]) -> io::Result<File> {
        // The mode of `File::create`: the umask applies.
        let mode = Permissions::from_mode(0o666);
        let mut temp = tempfile::Builder::new().prefix(TEMP_PREFIX).permissions(mode).tempfile_in(&self.0)?;
        temp.as_file().lock()?;
        temp.write_all(first_line)?;
        Ok(temp.persist_noclobber(self.path(number))?)
    }

    /// `older` are the numbers of the logs before the newest one. The log of a running deploy stays until a later
    /// deploy finds it complete.
    fn remove_oldest(&self, older: &[u64]) {
        let surplus = (older.len() + 1).saturating_sub(MAX_LOGS);
        for number in older.iter().take(surplus) {
            if let Err(error) = remove_unless_in_progress(&self.path(*number)) {
                tracing::warn!(number, %error, "cannot remove the log of an old deploy");
            }
        }
    }

    /// Removes the logs of gateways that were killed before their log had a number.
    fn remove_abandoned(&self) {
        let names = self.names().unwrap_or_default();
        for name in names.iter().filter(|name| name.starts_with(TEMP_PREFIX)) {
            if let Err(error) = remove_unless_in_progress(&self.0.join(name)) {
                tracing::warn!(name, %error, "cannot remove the unfinished log of a deploy");
            }
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }
}

/// A file that is gone already is no error: concurrent deploys remove the same logs.
fn remove_unless_in_progress(path: &Path) -> io::Result<()> {
    let removed = File::open(path).and_then(|file| match read_progress(&file) {
        LogProgress::InProgress => Ok(()),
        LogProgress::Complete => fs::remove_file(path),
    });
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_directory() -> (tempfile::TempDir, LogDirectory) {
        let dir = tempfile::tempdir().unwrap();
        let logs = LogDirectory::in_repository(dir.path());
        (dir, logs)
    }

    #[test]
    fn the_oldest_logs_are_removed_unless_their_deploys_still_run() {
        let (_dir, logs) = open_directory();
        let running = logs.create(b"1\n").unwrap();
        for _ in 0..MAX_LOGS + 1 {
            drop(logs.create(b"x\n").unwrap());
        }
        let newest: Vec<u64> = (3..=22).collect();
        let with_running: Vec<u64> = [1].into_iter().chain(newest).collect();
        assert_eq!(logs.numbers().unwrap(), with_running);
        drop(running);
        drop(logs.create(b"x\n").unwrap());
        assert_eq!(logs.numbers().unwrap(), (4..=23).collect::<Vec<u64>>());
    }

    #[test]
    fn the_file_that_a_killed_gateway_left_is_no_log_and_is_removed() {
        let (_dir, logs) = open_directory();
        fs::create_dir_all(&logs.0).unwrap();
        let [abandoned, starting] = [".new-abandoned", ".new-starting"].map(|name| logs.0.join(name));
        fs::write(&abandoned, "").unwrap();
        let locked = File::create(&starting).unwrap();
        locked.lock().unwrap();
        assert_eq!(logs.numbers().unwrap(), [0_u64; 0]);
        drop(logs.create(b"1\n").unwrap());
        assert_eq!((abandoned.exists(), starting.exists()), (false, true));
        assert_eq!(logs.numbers().unwrap(), [1]);
    }
}
