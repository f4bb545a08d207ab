//! Reads the log of one deploy.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::entry::{DeployLog, DeploySummary, LogEntry, LogProgress};

/// The longest last line of a log, in bytes: the error message takes at most 4 bytes per character, and the other
/// fields a few hundred.
const MAX_LAST_LINE: u64 = 16 << 10;

/// Reads the first and the last line.
pub(super) fn read_summary(number: u64, path: &Path) -> io::Result<DeploySummary> {
    let mut file = File::open(path)?;
    let progress = read_progress(&file);
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
    Ok(DeploySummary::new(number, header, result, progress))
}

/// Ignores an incomplete last line, which a killed gateway leaves.
pub(super) fn read_all(number: u64, path: &Path) -> io::Result<DeployLog> {
    let file = File::open(path)?;
    let progress = read_progress(&file);
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
    Ok(DeployLog { summary: DeploySummary::new(number, header, result, progress), events, truncated })
}

/// A running deploy holds an exclusive lock on its log; the kernel frees the lock when the gateway is killed.
pub(super) fn read_progress(file: &File) -> LogProgress {
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => LogProgress::InProgress,
        _ => LogProgress::Complete,
    }
}

fn missing_header() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the first line is not the header of a deploy log")
}
