//! Line editing, echo and line ends for a client with a terminal. Its terminal is in raw mode, and on other servers a
//! pseudo-terminal of the kernel does this work.

use bytes::Bytes;

const INTERRUPT: u8 = 0x03;
const END_OF_FILE: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;
/// In bytes. Longer lines are cut, as in the kernel.
const MAX_LINE_LEN: usize = 4096;

/// The effect of typed bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// Finished lines, for the command.
    pub lines: Vec<u8>,
    /// For the client's screen.
    pub echo: Vec<u8>,
    pub end: Option<InputEnd>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InputEnd {
    /// Ctrl-D
    EndOfFile,
    /// Ctrl-C
    Interrupt,
}

/// Assembles lines from typed bytes.
#[derive(Debug, Default)]
pub(super) struct LineEditor(Vec<u8>);

impl LineEditor {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Typed {
        let mut typed = Typed::default();
        for byte in bytes {
            match *byte {
                INTERRUPT => typed.end = Some(InputEnd::Interrupt),
                END_OF_FILE if self.0.is_empty() => typed.end = Some(InputEnd::EndOfFile),
                END_OF_FILE => typed.lines.append(&mut self.0),
                b'\r' | b'\n' => {
                    typed.lines.append(&mut self.0);
                    typed.lines.push(b'\n');
                    typed.echo.push(b'\n');
                }
                BACKSPACE | DELETE => self.erase(&mut typed.echo),
                byte if byte >= b' ' && self.0.len() < MAX_LINE_LEN => {
                    self.0.push(byte);
                    typed.echo.push(byte);
                }
                _ => {}
            }
            if typed.end.is_some() {
                break;
            }
        }
        typed
    }

    /// The unfinished line.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    /// Erases the last character, with all of its UTF-8 bytes.
    fn erase(&mut self, echo: &mut Vec<u8>) {
        while let Some(byte) = self.0.pop() {
            if byte & 0xc0 != 0x80 {
                echo.extend_from_slice(b"\x08 \x08");
                break;
            }
        }
    }
}

/// The text with a carriage return before each line feed.
pub(super) fn with_carriage_returns(text: &Bytes) -> Bytes {
    text.iter()
        .flat_map(|byte| if *byte == b'\n' { b"\r\n".as_slice() } else { std::slice::from_ref(byte) })
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(lines: &[u8], echo: &[u8], end: Option<InputEnd>) -> Typed {
        Typed { lines: lines.to_vec(), echo: echo.to_vec(), end }
    }

    #[test]
    fn a_line_is_edited_and_echoed_until_it_ends() {
        let mut editor = LineEditor::default();
        assert_eq!(editor.push(b"my\x1b"), typed(b"", b"my", None));
        assert_eq!(
            editor.push("éx\x7f\x7fapp\r".as_bytes()),
            typed(b"myapp\n", "éx\x08 \x08\x08 \x08app\n".as_bytes(), None)
        );
        assert_eq!(editor.push(b"\x7fno end"), typed(b"", b"no end", None));
        assert_eq!(editor.finish(), b"no end");
    }

    #[test]
    fn control_c_and_control_d_end_the_input() {
        let mut editor = LineEditor::default();
        assert_eq!(editor.push(b"a\x03b"), typed(b"", b"a", Some(InputEnd::Interrupt)));
        assert_eq!(editor.push(b"\x04"), typed(b"a", b"", None));
        assert_eq!(editor.push(b"\x04"), typed(b"", b"", Some(InputEnd::EndOfFile)));
    }

    #[test]
    fn each_line_feed_gets_a_carriage_return() {
        assert_eq!(with_carriage_returns(&Bytes::from_static(b"a\nb\n\n")), b"a\r\nb\r\n\r\n".as_slice());
    }
}
