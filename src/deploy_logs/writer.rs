//! Writes the log of a running deploy.

use jiff::Timestamp;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

use super::entry::{DeployResult, LogEntry};
use crate::domain::progress::strip_control;
use crate::domain::{ProgressEvent, Revision};

/// The largest log, in bytes. Later output is dropped.
const MAX_LOG_LEN: usize = 4 << 20;
/// The longest error message that is stored, in characters.
const MAX_ERROR_LEN: usize = 2000;

/// The log of a running deploy. A deploy does not fail when its log cannot be written: the first error is logged, and
/// disables the writer.
#[derive(Debug)]
pub struct DeployLogWriter {
    /// None in a disabled writer.
    file: Option<BufWriter<File>>,
    /// How much can still be written, in bytes.
    remaining: usize,
}

impl DeployLogWriter {
    /// `file` has `written` bytes, and stays locked until it is closed.
    pub(super) fn new(file: std::fs::File, written: usize) -> Self {
        let file = BufWriter::new(File::from_std(file));
        Self { file: Some(file), remaining: MAX_LOG_LEN.saturating_sub(written) }
    }

    /// A writer that discards everything.
    pub fn disabled() -> Self {
        Self { file: None, remaining: 0 }
    }

    pub async fn write_event(&mut self, event: &ProgressEvent) {
        if self.remaining > 0 {
            self.write(&LogEntry::Printed(event.clone())).await;
        }
    }

    /// Makes the buffered lines visible to `builds:output`.
    pub async fn flush(&mut self) {
        if let Some(file) = &mut self.file {
            let flushed = file.flush().await;
            self.disable_on_error(flushed);
        }
    }

    /// Writes the last line: the released revision, or the error message for the pusher.
    pub async fn finish(mut self, result: Result<Revision, String>) {
        let (revision, error) = match result {
            Ok(revision) => (Some(revision), None),
            Err(error) => (None, Some(bounded_error(&error))),
        };
        self.write(&LogEntry::Ended(DeployResult { ended: Timestamp::now(), revision, error })).await;
        self.flush().await;
    }

    async fn write(&mut self, entry: &LogEntry) {
        let Some(file) = &mut self.file else { return };
        let written = match to_line(entry) {
            Ok(line) if line.len() <= self.remaining || matches!(entry, LogEntry::Ended(_)) => {
                self.remaining = self.remaining.saturating_sub(line.len());
                file.write_all(&line).await
            }
            Ok(_) => {
                self.remaining = 0;
                match to_line(&LogEntry::Truncated) {
                    Ok(line) => file.write_all(&line).await,
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        self.disable_on_error(written);
    }

    fn disable_on_error(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            tracing::warn!(%error, "cannot write the log of a deploy");
            self.file = None;
        }
    }
}

pub(super) fn to_line(entry: &LogEntry) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    Ok(line)
}

fn bounded_error(error: &str) -> String {
    let lines: Vec<String> = error.lines().map(strip_control).collect();
    lines.join("\n").chars().take(MAX_ERROR_LEN).collect()
}
