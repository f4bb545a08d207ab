//! One pattern of a `.dockerignore` as a regular expression.
//!
//! The syntax is that of Go's `path.Match` and `**`. The glob crates of the Rust world read `{a,b}`,
//! `[!a]` and `**` inside a name in another way, which would silently leave out other files than
//! `docker build` does.

use std::iter::Peekable;
use std::str::Chars;

/// Not a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The regular expression for a cleaned pattern.
pub(super) fn to_regex(pattern: &str) -> Result<String, Malformed> {
    let mut regex = String::from("^");
    if let Some(end) = literal_end(pattern) {
        regex.push_str(".*");
        end.chars().for_each(|c| literal(c, &mut regex));
        regex.push('$');
        return Ok(regex);
    }
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => double_star(&mut chars, &mut regex),
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '[' => class(&mut chars, &mut regex)?,
            '\\' => literal(chars.next().ok_or(Malformed)?, &mut regex),
            c => literal(c, &mut regex),
        }
    }
    regex.push('$');
    Ok(regex)
}

/// What stands after `**` in `**.md` and its like: Docker reads them as "ends in", across names, as long
/// as nothing else in them is special. In `**/a`, the slash keeps names whole.
fn literal_end(pattern: &str) -> Option<&str> {
    let end = pattern.strip_prefix("**")?;
    (!end.is_empty() && !end.starts_with('/') && !end.contains(['*', '?', '[', '\\'])).then_some(end)
}

/// `**/` stands for any number of directories, none included; `**` at the end for all that follows.
fn double_star(chars: &mut Peekable<Chars<'_>>, regex: &mut String) {
    chars.next_if_eq(&'/');
    regex.push_str(if chars.peek().is_some() { "(?:.*/)?" } else { ".*" });
}

/// `[` has been read: `[^]` and one or more characters or ranges, then `]`. Only `^` negates.
fn class(chars: &mut Peekable<Chars<'_>>, regex: &mut String) -> Result<(), Malformed> {
    regex.push('[');
    if chars.next_if_eq(&'^').is_some() {
        regex.push('^');
    }
    let mut empty = true;
    while empty || chars.next_if_eq(&']').is_none() {
        range(chars, regex)?;
        empty = false;
    }
    regex.push(']');
    Ok(())
}

fn range(chars: &mut Peekable<Chars<'_>>, regex: &mut String) -> Result<(), Malformed> {
    let low = class_character(chars)?;
    let high = if chars.next_if_eq(&'-').is_some() { class_character(chars)? } else { low };
    // A range that runs backwards matches nothing in Go and is an error in a regular expression.
    if low <= high {
        regex.push_str(&format!(r"\x{{{:x}}}-\x{{{:x}}}", u32::from(low), u32::from(high)));
    } else {
        return Err(Malformed);
    }
    Ok(())
}

fn class_character(chars: &mut Peekable<Chars<'_>>) -> Result<char, Malformed> {
    match chars.next() {
        Some('\\') => chars.next().ok_or(Malformed),
        Some('-' | ']') | None => Err(Malformed),
        Some(c) => Ok(c),
    }
}

fn literal(c: char, regex: &mut String) {
    regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_anchored_expressions() {
        for (pattern, regex) in [
            ("a", "^a$"),
            ("*.md", r"^[^/]*\.md$"),
            ("a?c", "^a[^/]c$"),
            ("**", "^.*$"),
            ("a/**", "^a/.*$"),
            ("**/a", "^(?:.*/)?a$"),
            ("a/**/b", "^a/(?:.*/)?b$"),
            ("a**b", "^a(?:.*/)?b$"),
            ("**b", "^.*b$"),
            ("**b/c", "^.*b/c$"),
            ("**b?", "^(?:.*/)?b[^/]$"),
            (r"\*", r"^\*$"),
            ("{a,b}", r"^\{a,b\}$"),
            ("[a-c^]", r"^[\x{61}-\x{63}\x{5e}-\x{5e}]$"),
        ] {
            assert_eq!(to_regex(pattern).as_deref(), Ok(regex), "{pattern}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in ["[", "[]", "[]a]", "[^]", "[a", "[a-]", "[-a]", "[z-a]", "a\\", "[a\\"] {
            assert_eq!(to_regex(pattern), Err(Malformed), "{pattern}");
        }
    }
}
