//! Splits the output of a build into lines, and bounds their length and number.

use std::collections::VecDeque;

use crate::domain::Progress;

/// Longer lines are truncated.
const MAX_LINE_BYTES: usize = 4 * 1024;
/// How much output of a build is printed.
const MAX_OUTPUT_BYTES: usize = 10 * 1024 * 1024;
/// How many of the omitted lines are printed if the build fails.
const KEPT_LINES: usize = 20;

/// Splits the output of one step into lines.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    unfinished: Vec<u8>,
    is_truncated: bool,
    after_carriage_return: bool,
}

impl LineSplitter {
    /// The lines that `bytes` completes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        bytes.iter().filter_map(|byte| self.push_byte(*byte)).collect()
    }

    /// The last line, if it has no line end.
    pub(super) fn finish(&mut self) -> Option<String> {
        (!self.unfinished.is_empty()).then(|| self.take_line())
    }

    fn push_byte(&mut self, byte: u8) -> Option<String> {
        // A carriage return that is not part of a line end restarts the line, as in a progress bar.
        if std::mem::take(&mut self.after_carriage_return) && byte != b'\n' {
            self.unfinished.clear();
            self.is_truncated = false;
        }
        match byte {
            b'\n' => return Some(self.take_line()),
            b'\r' => self.after_carriage_return = true,
            _ if self.unfinished.len() < MAX_LINE_BYTES => self.unfinished.push(byte),
            _ => self.is_truncated = true,
        }
        None
    }

    fn take_line(&mut self) -> String {
        let line = decode_line(&self.unfinished, self.is_truncated);
        self.unfinished.clear();
        self.is_truncated = false;
        line
    }
}

fn decode_line(bytes: &[u8], is_truncated: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    if is_truncated { format!("{}…", text.trim_end_matches('\u{fffd}')) } else { text.into_owned() }
}

/// Prints lines to the pusher, up to a limit.
#[derive(Debug)]
pub(super) struct LimitedOutput<'a> {
    progress: &'a Progress,
    remaining: usize,
    is_full: bool,
    /// The newest of the omitted lines.
    omitted: VecDeque<String>,
}

impl<'a> LimitedOutput<'a> {
    pub(super) fn new(progress: &'a Progress) -> Self {
        Self { progress, remaining: MAX_OUTPUT_BYTES, is_full: false, omitted: VecDeque::new() }
    }

    pub(super) async fn print(&mut self, line: String) {
        let size = line.len() + 1;
        if !self.is_full && self.remaining >= size {
            self.remaining -= size;
            return self.progress.log(line).await;
        }
        if !std::mem::replace(&mut self.is_full, true) {
            self.progress.log("(output limit reached: further output is omitted; the build continues)").await;
        }
        if self.omitted.len() == KEPT_LINES {
            self.omitted.pop_front();
        }
        self.omitted.push_back(line);
    }

    /// Prints the newest of the omitted lines, for a build that failed.
    pub(super) async fn print_omitted(&mut self) {
        for line in std::mem::take(&mut self.omitted) {
            self.progress.log(line).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ProgressEvent;
    use crate::testing::collect_progress;

    #[test]
    fn pieces_are_joined_to_whole_lines() {
        let mut splitter = LineSplitter::default();
        assert!(splitter.push(b"hel").is_empty());
        assert_eq!(splitter.push(b"lo\nwor"), ["hello"]);
        assert_eq!(splitter.push(b"ld\r\n\n"), ["world", ""]);
        assert_eq!(splitter.push(b"10%\r50%\r"), Vec::<String>::new());
        assert_eq!(splitter.push(b"100%\nno end"), ["100%"]);
        assert_eq!(splitter.finish().as_deref(), Some("no end"));
        assert_eq!(splitter.finish(), None);
    }

    #[test]
    fn a_character_may_arrive_in_pieces() {
        let mut splitter = LineSplitter::default();
        assert!(splitter.push(&"é".as_bytes()[..1]).is_empty());
        assert_eq!(splitter.push(&[0xa9, b'\n']), ["é"]);
    }

    #[test]
    fn a_long_line_is_cut() {
        let mut splitter = LineSplitter::default();
        let seen = splitter.push(format!("{}é\nnext\n", "x".repeat(MAX_LINE_BYTES - 1)).as_bytes());
        assert_eq!(seen, [format!("{}…", "x".repeat(MAX_LINE_BYTES - 1)), "next".to_owned()]);
    }

    #[tokio::test]
    async fn output_over_the_limit_is_omitted_and_its_end_is_kept_for_a_failure() {
        let ((), events) = collect_progress(async |progress| {
            let mut output = LimitedOutput::new(&progress);
            for number in 0..MAX_OUTPUT_BYTES / MAX_LINE_BYTES + 50 {
                output.print(format!("{number:>width$}", width = MAX_LINE_BYTES - 1)).await;
            }
            output.print_omitted().await;
        })
        .await;
        let text = |event| if let ProgressEvent::Line { text } = event { text } else { String::new() };
        let lines: Vec<String> = events.into_iter().map(text).collect();
        assert_eq!(lines.len(), MAX_OUTPUT_BYTES / MAX_LINE_BYTES + 1 + KEPT_LINES);
        assert!(lines[MAX_OUTPUT_BYTES / MAX_LINE_BYTES].starts_with("(output limit reached"));
        assert_eq!(lines.last().unwrap().trim(), (MAX_OUTPUT_BYTES / MAX_LINE_BYTES + 49).to_string());
    }
}
