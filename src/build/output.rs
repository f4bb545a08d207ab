//! From what a build prints to the lines a pusher reads: whole lines, of bounded length and number.

use std::collections::VecDeque;

use crate::domain::Progress;

/// The longest line, in bytes; the rest of it is cut.
const LINE: usize = 4 * 1024;
/// How much of a build's output is passed on.
const TOTAL: usize = 10 * 1024 * 1024;
/// How many of the lines that were left out are shown when the build fails.
const LAST: usize = 20;

/// Cuts the output of one step into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    open: Vec<u8>,
    cut: bool,
    returned: bool,
}

impl Lines {
    /// The lines that `bytes` completes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        bytes.iter().filter_map(|byte| self.byte(*byte)).collect()
    }

    /// The line that has no end, if there is one.
    pub(super) fn finish(&mut self) -> Option<String> {
        (!self.open.is_empty()).then(|| self.take())
    }

    fn byte(&mut self, byte: u8) -> Option<String> {
        // A carriage return begins the line anew, as progress bars do, unless it is part of its end.
        if std::mem::take(&mut self.returned) && byte != b'\n' {
            self.open.clear();
            self.cut = false;
        }
        match byte {
            b'\n' => return Some(self.take()),
            b'\r' => self.returned = true,
            _ if self.open.len() < LINE => self.open.push(byte),
            _ => self.cut = true,
        }
        None
    }

    fn take(&mut self) -> String {
        let line = shortened(&self.open, self.cut);
        self.open.clear();
        self.cut = false;
        line
    }
}

fn shortened(bytes: &[u8], cut: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    if cut { format!("{}…", text.trim_end_matches('\u{fffd}')) } else { text.into_owned() }
}

/// Passes lines on until there were too many.
#[derive(Debug)]
pub(super) struct Output<'a> {
    progress: &'a Progress,
    left: usize,
    full: bool,
    /// The newest of the lines that were left out.
    unseen: VecDeque<String>,
}

impl<'a> Output<'a> {
    pub(super) fn new(progress: &'a Progress) -> Self {
        Self { progress, left: TOTAL, full: false, unseen: VecDeque::new() }
    }

    pub(super) async fn line(&mut self, line: String) {
        let cost = line.len() + 1;
        if !self.full && self.left >= cost {
            self.left -= cost;
            return self.progress.line(line).await;
        }
        if !std::mem::replace(&mut self.full, true) {
            self.progress.line("(so much output: the rest of it is left out; the build goes on)").await;
        }
        if self.unseen.len() == LAST {
            self.unseen.pop_front();
        }
        self.unseen.push_back(line);
    }

    /// Shows the last lines of a build that failed, as far as they were left out.
    pub(super) async fn failed(&mut self) {
        for line in std::mem::take(&mut self.unseen) {
            self.progress.line(line).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Event;
    use crate::testing::heard;

    #[test]
    fn pieces_become_whole_lines() {
        let mut lines = Lines::default();
        assert!(lines.push(b"hel").is_empty());
        assert_eq!(lines.push(b"lo\nwor"), ["hello"]);
        assert_eq!(lines.push(b"ld\r\n\n"), ["world", ""]);
        assert_eq!(lines.push(b"10%\r50%\r"), Vec::<String>::new());
        assert_eq!(lines.push(b"100%\nno end"), ["100%"]);
        assert_eq!(lines.finish().as_deref(), Some("no end"));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn a_character_may_arrive_in_pieces() {
        let mut lines = Lines::default();
        assert!(lines.push(&"é".as_bytes()[..1]).is_empty());
        assert_eq!(lines.push(&[0xa9, b'\n']), ["é"]);
    }

    #[test]
    fn a_long_line_is_cut() {
        let mut lines = Lines::default();
        let seen = lines.push(format!("{}é\nnext\n", "x".repeat(LINE - 1)).as_bytes());
        assert_eq!(seen, [format!("{}…", "x".repeat(LINE - 1)), "next".to_owned()]);
    }

    #[tokio::test]
    async fn too_much_output_is_left_out_but_its_end_is_kept_for_a_failure() {
        let ((), events) = heard(async |progress| {
            let mut output = Output::new(&progress);
            for number in 0..TOTAL / LINE + 50 {
                output.line(format!("{number:>width$}", width = LINE - 1)).await;
            }
            output.failed().await;
        })
        .await;
        let text = |event| if let Event::Line { text } = event { text } else { String::new() };
        let lines: Vec<String> = events.into_iter().map(text).collect();
        assert_eq!(lines.len(), TOTAL / LINE + 1 + LAST);
        assert!(lines[TOTAL / LINE].starts_with("(so much output"));
        assert_eq!(lines.last().unwrap().trim(), (TOTAL / LINE + 49).to_string());
    }
}
