//! What a running deploy tells whoever watches it.
//!
//! One bounded channel for each deploy. The front door owns the receiver and decides how to print;
//! no stage knows who listens. The outcome is a stage's `Result`, never an event.

use tokio::sync::mpsc;

/// How many events wait for a slow listener before the deploy waits for it.
const QUEUE: usize = 256;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A stage began; the text is a sentence fragment such as `Building with Dockerfile`.
    StageStarted {
        /// What begins.
        title: String,
    },
    /// A line of detail inside the running stage.
    Line {
        /// One line without its end, free of control characters.
        text: String,
    },
    /// The last line of a deploy that is live: what was released, and where.
    StageFinished {
        /// What was reached.
        title: String,
    },
}

/// The sending half, handed to every stage.
#[derive(Debug, Clone)]
pub struct Progress(mpsc::Sender<Event>);

impl Progress {
    /// A channel: the half for the stages and the half for the front door.
    pub fn channel() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Says that a stage began.
    pub async fn stage(&self, title: impl Into<String>) {
        self.send(Event::StageStarted { title: clean(&title.into()) }).await;
    }

    /// Says one line of detail. Control characters are removed; text with line ends becomes several lines.
    pub async fn line(&self, text: impl Into<String>) {
        for line in text.into().lines() {
            self.send(Event::Line { text: clean(line) }).await;
        }
    }

    /// Says what was reached.
    pub async fn finished(&self, title: impl Into<String>) {
        self.send(Event::StageFinished { title: clean(&title.into()) }).await;
    }

    /// Says again what another channel said.
    pub async fn pass_on(&self, event: Event) {
        self.send(event).await;
    }

    /// A listener that went away is no fault of the deploy: [`super::Cancel`] decides whether it goes on.
    async fn send(&self, event: Event) {
        let _ = self.0.send(event).await;
    }
}

/// The text without escape sequences and control characters, so that nothing a build prints can
/// reach the terminal of the pusher. Of a line that was overwritten with carriage returns, as
/// progress bars do, the last state remains.
pub fn clean(text: &str) -> String {
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

/// Skips what follows ESC: CSI, OSC and its kin (ECMA-48, 5.4 and 5.6), or a two-character sequence.
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

/// Characters that change how the text around them is shown: bidirectional overrides, byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_control_characters_are_removed() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(clean("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(clean("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\"), "link");
        assert_eq!(clean("\u{9b}2Jx"), "x");
        assert_eq!(clean("a\u{8}b\u{0}\u{7}c\td"), "abc\td");
        assert_eq!(clean("10%\r50%\r100%\r"), "100%");
        assert_eq!(clean("\u{202e}evil"), "evil");
    }

    #[tokio::test]
    async fn a_text_of_several_lines_becomes_several_events() {
        let (progress, mut events) = Progress::channel();
        progress.line("one\ntwo").await;
        drop(progress);
        let mut seen = Vec::new();
        while let Some(event) = events.recv().await {
            seen.push(event);
        }
        assert_eq!(seen, [Event::Line { text: "one".into() }, Event::Line { text: "two".into() }]);
    }
}
