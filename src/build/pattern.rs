//! One pattern of a `.dockerignore` as a regular expression.
//!
//! The syntax is that of Go's `path.Match`, and `**`. Rust's glob crates give another meaning to `{a,b}`, `[!a]` and
//! `**` inside a name: with them, slipway would ignore other files than `docker build` does.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MalformedPattern;

/// Translates a cleaned pattern.
pub(super) fn to_regex(pattern: &str) -> Result<String, MalformedPattern> {
    let mut regex = String::from("^");
    if let Some(suffix) = literal_suffix(pattern) {
        regex.push_str(".*");
        suffix.chars().for_each(|c| push_literal(c, &mut regex));
        regex.push('$');
        return Ok(regex);
    }
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => push_double_star(&mut chars, &mut regex),
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '[' => push_class(&mut chars, &mut regex)?,
            '\\' => push_literal(chars.next().ok_or(MalformedPattern)?, &mut regex),
            c => push_literal(c, &mut regex),
        }
    }
    regex.push('$');
    Ok(regex)
}

/// The suffix of a pattern such as `**.md`, which Docker matches against the end of the whole path if the suffix has no
/// special characters. In `**/a`, the slash requires a whole name.
fn literal_suffix(pattern: &str) -> Option<&str> {
    let suffix = pattern.strip_prefix("**")?;
    let is_literal = !suffix.is_empty() && !suffix.starts_with('/') && !suffix.contains(['*', '?', '[', '\\']);
    is_literal.then_some(suffix)
}

/// `**/` matches any number of directories, or none; a trailing `**` matches the rest of the path.
fn push_double_star(chars: &mut Peekable<Chars<'_>>, regex: &mut String) {
    chars.next_if_eq(&'/');
    regex.push_str(if chars.peek().is_some() { "(?:.*/)?" } else { ".*" });
}

/// Parses what follows `[`: optionally `^`, the only negation, then one or more characters or ranges, then `]`.
fn push_class(chars: &mut Peekable<Chars<'_>>, regex: &mut String) -> Result<(), MalformedPattern> {
    regex.push('[');
    if chars.next_if_eq(&'^').is_some() {
        regex.push('^');
    }
    let mut is_empty = true;
    while is_empty || chars.next_if_eq(&']').is_none() {
        push_range(chars, regex)?;
        is_empty = false;
    }
    regex.push(']');
    Ok(())
}

fn push_range(chars: &mut Peekable<Chars<'_>>, regex: &mut String) -> Result<(), MalformedPattern> {
    let low = next_class_char(chars)?;
    let high = if chars.next_if_eq(&'-').is_some() { next_class_char(chars)? } else { low };
    // A descending range matches nothing in Go. Here it is an error, as in a regular expression.
    if low <= high {
        regex.push_str(&format!(r"\x{{{:x}}}-\x{{{:x}}}", u32::from(low), u32::from(high)));
    } else {
        return Err(MalformedPattern);
    }
    Ok(())
}

fn next_class_char(chars: &mut Peekable<Chars<'_>>) -> Result<char, MalformedPattern> {
    match chars.next() {
        Some('\\') => chars.next().ok_or(MalformedPattern),
        Some('-' | ']') | None => Err(MalformedPattern),
        Some(c) => Ok(c),
    }
}

fn push_literal(c: char, regex: &mut String) {
    regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_translated_to_anchored_expressions() {
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
    fn a_malformed_pattern_is_refused() {
        for pattern in ["[", "[]", "[]a]", "[^]", "[a", "[a-]", "[-a]", "[z-a]", "a\\", "[a\\"] {
            assert_eq!(to_regex(pattern), Err(MalformedPattern), "{pattern}");
        }
    }
}
