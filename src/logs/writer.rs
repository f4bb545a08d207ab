//! Writing a log while its deploy runs.

use jiff::Timestamp;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

use super::entry::{Entry, Outcome};
use crate::domain::progress::clean;
use crate::domain::{Event, Revision};

/// The largest log, in bytes; a build that prints more is cut.
const LONGEST: usize = 4 << 20;
/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 2000;

/// The log of a running deploy. Nobody's deploy fails because its log cannot be written: that is logged, once.
#[derive(Debug)]
pub struct LogWriter {
    file: Option<BufWriter<File>>,
    room: usize,
}

impl LogWriter {
    /// Over a file that was just made, and is locked as long as it is written.
    pub(super) fn new(file: File) -> Self {
        Self { file: Some(BufWriter::new(file)), room: LONGEST }
    }

    /// A log that is not kept.
    pub fn none() -> Self {
        Self { file: None, room: 0 }
    }

    /// Keeps what was printed.
    pub async fn event(&mut self, event: &Event) {
        if self.room > 0 {
            self.write(&Entry::Printed(event.clone())).await;
        }
    }

    /// Hands on what was kept, for whoever reads a log that is being written.
    pub async fn flush(&mut self) {
        if let Some(file) = &mut self.file {
            let flushed = file.flush().await;
            self.heed(flushed);
        }
    }

    /// Keeps how it ended: the revision that is live, or why there is none.
    pub async fn end(mut self, result: Result<Revision, String>) {
        let (revision, error) = match result {
            Ok(revision) => (Some(revision), None),
            Err(error) => (None, Some(reason(&error))),
        };
        self.write(&Entry::Ended(Outcome { ended: Timestamp::now(), revision, error })).await;
        self.flush().await;
    }

    pub(super) async fn write(&mut self, entry: &Entry) {
        let Some(file) = &mut self.file else { return };
        let written = match line(entry) {
            Ok(line) if line.len() <= self.room || matches!(entry, Entry::Ended(_)) => {
                self.room = self.room.saturating_sub(line.len());
                file.write_all(&line).await
            }
            Ok(_) => {
                self.room = 0;
                match line(&Entry::Cut) {
                    Ok(cut) => file.write_all(&cut).await,
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        self.heed(written);
    }

    fn heed(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            tracing::warn!(%error, "the log of a deploy cannot be written");
            self.file = None;
        }
    }
}

fn line(entry: &Entry) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    Ok(line)
}

/// As the terminal shows it.
fn reason(error: &str) -> String {
    let lines: Vec<String> = error.lines().map(clean).collect();
    lines.join("\n").chars().take(LONGEST_REASON).collect()
}
