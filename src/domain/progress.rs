//! Progress of a running deploy: one bounded channel per deploy.
//!
//! The stages send, and the SSH command that started the deploy receives and prints. The result of a deploy is the
//! stage's `Result`, never an event.

use tokio::sync::mpsc;

/// How many events are queued for a slow receiver before the deploy waits for the receiver.
const QUEUE_LEN: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum ProgressEvent {
    /// The title is a sentence fragment such as `Building with Dockerfile`.
    StageStarted { title: String },
    /// A line of detail inside the running stage, without line end and control characters.
    Line { text: String },
    /// The release is live.
    StageFinished { title: String },
}

/// The sending half of the channel.
#[derive(Debug, Clone)]
pub struct Progress(mpsc::Sender<ProgressEvent>);

impl Progress {
    pub fn channel() -> (Self, mpsc::Receiver<ProgressEvent>) {
        let (sender, receiver) = mpsc::channel(QUEUE_LEN);
        (Self(sender), receiver)
    }

    pub async fn start_stage(&self, title: impl Into<String>) {
        self.send(ProgressEvent::StageStarted { title: strip_control(&title.into()) }).await;
    }

    /// Sends one event per line of the text, without control characters.
    pub async fn log(&self, text: impl Into<String>) {
        for line in text.into().lines() {
            self.send(ProgressEvent::Line { text: strip_control(line) }).await;
        }
    }

    pub async fn finish(&self, title: impl Into<String>) {
        self.send(ProgressEvent::StageFinished { title: strip_control(&title.into()) }).await;
    }

    /// Sends an event that was received from another channel.
    pub async fn forward(&self, event: ProgressEvent) {
        self.send(event).await;
    }

    /// A closed channel is no error: [`super::CancelHandle`] decides whether a deploy without its client goes on.
    async fn send(&self, event: ProgressEvent) {
        let _ = self.0.send(event).await;
    }
}

/// Removes escape sequences and control characters, so that the output of a build cannot control the terminal of the
/// pusher. Keeps only the last state of a line that carriage returns overwrite, as in a progress bar.
pub fn strip_control(text: &str) -> String {
    let last = text.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    let mut out = String::with_capacity(last.len());
    let mut chars = last.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_control_sequence(&mut chars),
            '\t' => out.push('\t'),
            c if c.is_control() || is_invisible(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// Skips the rest of an escape sequence after ESC: a control sequence or control string (ECMA-48, 5.4 and 5.6), or a
/// two-character sequence.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => skip_control_sequence(chars),
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' || c == '\u{9c}' {
                    return;
                }
                if c == '\u{1b}' {
                    chars.next_if_eq(&'\\');
                    return;
                }
            }
        }
        Some(' '..='/') => {
            chars.next();
        }
        _ => {}
    }
}

fn skip_control_sequence(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    for c in chars.by_ref() {
        if ('@'..='~').contains(&c) {
            return;
        }
    }
}

/// Characters that change the display of the text around them: bidirectional controls, line separators, byte order
/// mark.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_control_characters_are_removed() {
        assert_eq!(strip_control("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(strip_control("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(strip_control("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\"), "link");
        assert_eq!(strip_control("\u{9b}2Jx"), "x");
        assert_eq!(strip_control("a\u{8}b\u{0}\u{7}c\td"), "abc\td");
        assert_eq!(strip_control("10%\r50%\r100%\r"), "100%");
        assert_eq!(strip_control("\u{202e}evil"), "evil");
    }

    #[tokio::test]
    async fn each_line_of_a_text_becomes_an_event() {
        let (progress, mut events) = Progress::channel();
        progress.log("one\ntwo").await;
        drop(progress);
        let mut seen = Vec::new();
        while let Some(event) = events.recv().await {
            seen.push(event);
        }
        assert_eq!(seen, [ProgressEvent::Line { text: "one".into() }, ProgressEvent::Line { text: "two".into() }]);
    }
}
