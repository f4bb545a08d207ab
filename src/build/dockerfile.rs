//! The little that has to be known of a Dockerfile before it is built: the arguments it declares.

use std::collections::{BTreeMap, BTreeSet};

/// Those of `args` that the Dockerfile declares. An argument that it does not declare would change
/// nothing but draw a warning from the builder.
pub fn declared_only(args: BTreeMap<String, String>, dockerfile: &str) -> BTreeMap<String, String> {
    let declared = declared_args(dockerfile);
    args.into_iter().filter(|(name, _)| declared.contains(name)).collect()
}

/// The names that `ARG` instructions declare.
///
/// The bodies of here-documents are read like instructions: a name too many does no harm.
pub fn declared_args(dockerfile: &str) -> BTreeSet<String> {
    instructions(dockerfile).iter().filter_map(|line| arguments_of(line)).flatten().collect()
}

/// The names in one `ARG` instruction; none of another instruction.
fn arguments_of(instruction: &str) -> Option<Vec<String>> {
    let (keyword, rest) = instruction.trim_start().split_once(char::is_whitespace)?;
    if !keyword.eq_ignore_ascii_case("ARG") {
        return None;
    }
    let words = shell_words::split(rest).unwrap_or_else(|_| rest.split_whitespace().map(str::to_owned).collect());
    Some(words.into_iter().map(|word| name_of(&word)).filter(|name| !name.is_empty()).collect())
}

fn name_of(word: &str) -> String {
    word.split_once('=').map_or(word, |(name, _)| name).to_owned()
}

/// The instructions with their continuation lines joined, without comments.
fn instructions(dockerfile: &str) -> Vec<String> {
    let escape = escape_character(dockerfile);
    let mut whole = Vec::new();
    let mut open = String::new();
    for line in dockerfile.trim_start_matches('\u{feff}').lines() {
        if line.trim_start().starts_with('#') || (line.trim().is_empty() && !open.is_empty()) {
            continue;
        }
        match line.trim_end().strip_suffix(escape) {
            Some(start) => open.push_str(start),
            None => {
                open.push_str(line);
                whole.push(std::mem::take(&mut open));
            }
        }
    }
    whole.push(open);
    whole
}

/// The `escape` directive, which may only stand among the directives at the top.
fn escape_character(dockerfile: &str) -> char {
    let directives = dockerfile.trim_start_matches('\u{feff}').lines().map_while(directive);
    let mut escapes = directives.filter(|(name, _)| name.eq_ignore_ascii_case("escape"));
    escapes.next().and_then(|(_, value)| value.chars().next()).unwrap_or('\\')
}

fn directive(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim().strip_prefix('#')?.split_once('=')?;
    let name = name.trim();
    name.chars().all(|c| c.is_ascii_alphanumeric()).then(|| (name, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(dockerfile: &str) -> Vec<String> {
        declared_args(dockerfile).into_iter().collect()
    }

    #[test]
    fn arguments_are_found_however_they_are_written() {
        let cases: [(&str, &[&str]); 11] = [
            ("FROM a\nARG GIT_REV", &["GIT_REV"]),
            ("FROM a\narg GIT_REV=none", &["GIT_REV"]),
            ("FROM a\n  ARG\tA=1 B=\"x y\" C", &["A", "B", "C"]),
            ("FROM a\nARG \\\n  A\\\n=1", &["A"]),
            ("FROM a\nARG \\\n# a comment between\n  A", &["A"]),
            ("# ARG A\nFROM a", &[]),
            ("FROM a\nRUN echo ARG A", &[]),
            ("FROM a\nRUN x \\\n  ARG A", &[]),
            ("# escape=`\nFROM a\nRUN dir c:\\\nARG A", &["A"]),
            ("FROM a\nARG 'unclosed", &["'unclosed"]),
            ("\u{feff}ARG BASE=x\nFROM $BASE", &["BASE"]),
        ];
        for (dockerfile, expected) in cases {
            assert_eq!(declared(dockerfile), expected, "{dockerfile:?}");
        }
    }

    #[test]
    fn only_declared_arguments_are_passed() {
        let args = BTreeMap::from([("GIT_REV".to_owned(), "1".to_owned()), ("X".to_owned(), "2".to_owned())]);
        let passed = declared_only(args, "FROM a\nARG GIT_REV\n");
        assert_eq!(passed.into_keys().collect::<Vec<_>>(), ["GIT_REV"]);
    }
}
