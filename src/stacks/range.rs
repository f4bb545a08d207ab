//! Ranges of versions, as in `engines` of package.json. Pure; only the first number of each version is compared.

/// The first numbers that a range allows: from `min` up to, and without, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    min: u32,
    end: u32,
}

const ALL: Span = Span { min: 0, end: u32::MAX };

/// The number to use for a range: `usual` if the range allows it, otherwise the highest below it, otherwise the lowest above it.
/// `None` if the text is no range, or allows nothing.
pub(super) fn choose(range: &str, usual: u32) -> Option<u32> {
    let spans: Vec<Span> = range.split("||").map(parse_alternative).collect::<Option<_>>()?;
    let spans: Vec<Span> = spans.into_iter().filter(|span| span.min < span.end).collect();
    if spans.iter().any(|span| (span.min..span.end).contains(&usual)) {
        return Some(usual);
    }
    let below = spans.iter().filter(|span| span.end <= usual).map(|span| span.end - 1).max();
    below.or_else(|| spans.iter().filter(|span| span.min > usual).map(|span| span.min).min())
}

/// The intersection of comparators with spaces or commas between them.
fn parse_alternative(text: &str) -> Option<Span> {
    if let Some((from, to)) = text.split_once(" - ") {
        let (from, to) = (parse_comparator(from.trim())?, parse_comparator(to.trim())?);
        return Some(Span { min: from.min, end: to.end });
    }
    let joined = join_operators(text);
    joined.iter().try_fold(ALL, |all, comparator| {
        let span = parse_comparator(comparator)?;
        Some(Span { min: all.min.max(span.min), end: all.end.min(span.end) })
    })
}

/// The comparators; an operator with a space after it belongs to the next version.
fn join_operators(text: &str) -> Vec<String> {
    let mut comparators: Vec<String> = Vec::new();
    for word in text.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
        match comparators.last_mut() {
            Some(last) if last.chars().all(|c| "<>=^~!".contains(c)) => last.push_str(word),
            _ => comparators.push(word.to_owned()),
        }
    }
    comparators
}

/// A comparator whose major version was taken away: `rest` is what follows it. The operator `open` allows all later minor
/// versions unless a third number follows.
pub(super) fn minor_comparator(operator: &str, rest: &str, open: &str) -> String {
    let operator = match operator {
        "^" => ">=",
        operator if operator == open && !rest.contains('.') => ">=",
        operator => operator,
    };
    if rest.starts_with('*') { "*".to_owned() } else { format!("{operator}{rest}") }
}

fn parse_comparator(text: &str) -> Option<Span> {
    let version = text.trim_start_matches(['<', '>', '=', '^', '~']);
    let operator = text.get(..text.len() - version.len())?;
    let version = version.strip_prefix('v').unwrap_or(version);
    let mut parts = version.split('.');
    let first = parts.next()?;
    if matches!(first, "*" | "x" | "X" | "") {
        return (operator.is_empty() && version.len() <= 1).then_some(ALL);
    }
    let number: u32 = first.parse().ok().filter(|number| *number < 10_000)?;
    let rest: Vec<&str> = parts.collect();
    if rest.len() > 2 || !rest.iter().all(|part| is_part(part)) {
        return None;
    }
    let has_rest = rest.iter().any(|part| part.bytes().any(|b| b.is_ascii_digit() && b != b'0'));
    Some(match operator {
        "" | "=" | "==" | "^" | "~" | "~=" | "~>" | "===" => Span { min: number, end: number + 1 },
        ">=" => Span { min: number, ..ALL },
        ">" if rest.is_empty() => Span { min: number + 1, ..ALL },
        ">" => Span { min: number, ..ALL },
        "<" if has_rest => Span { end: number + 1, ..ALL },
        "<" => Span { end: number, ..ALL },
        "<=" => Span { end: number + 1, ..ALL },
        _ => return None,
    })
}

fn is_part(part: &str) -> bool {
    matches!(part, "*" | "x" | "X")
        || (!part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_version_is_chosen_if_the_range_allows_it() {
        for (range, expected) in [
            ("*", Some(24)),
            ("", Some(24)),
            (">=18", Some(24)),
            (">= 18.0.0", Some(24)),
            ("^20.1.0", Some(20)),
            ("~20.1", Some(20)),
            ("20.x", Some(20)),
            ("20", Some(20)),
            ("v20.1.0", Some(20)),
            (">=18 <21", Some(20)),
            (">=18, <21", Some(20)),
            (">=18 <21.3", Some(21)),
            ("18 - 22", Some(22)),
            ("18 || 20 || >=26", Some(20)),
            (">24", Some(25)),
            (">24.1", Some(24)),
            ("26", Some(26)),
            (">=20 <20", None),
            ("soon", None),
            ("<0", None),
            ("20.1.2.3", None),
            ("20\nRUN x", None),
        ] {
            assert_eq!(choose(range, 24), expected, "{range:?}");
        }
    }
}
