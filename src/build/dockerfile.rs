//! Reads from a Dockerfile which build arguments it declares. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// The arguments that the Dockerfile declares. The builder warns about all others and ignores them.
pub(crate) fn keep_declared_args(args: BTreeMap<String, String>, dockerfile: &str) -> BTreeMap<String, String> {
    let declared = declared_args(dockerfile);
    args.into_iter().filter(|(name, _)| declared.contains(name)).collect()
}

/// The names that `ARG` instructions declare.
///
/// The bodies of here-documents are read as instructions too: a superfluous name does no harm.
fn declared_args(dockerfile: &str) -> BTreeSet<String> {
    parse_instructions(dockerfile).iter().filter_map(|line| parse_arg(line)).flatten().collect()
}

/// The names that an `ARG` instruction declares; `None` for other instructions.
fn parse_arg(instruction: &str) -> Option<Vec<String>> {
    let (keyword, rest) = instruction.trim_start().split_once(char::is_whitespace)?;
    if !keyword.eq_ignore_ascii_case("ARG") {
        return None;
    }
    let words = shell_words::split(rest).unwrap_or_else(|_| rest.split_whitespace().map(str::to_owned).collect());
    Some(words.into_iter().map(|word| arg_name(&word)).filter(|name| !name.is_empty()).collect())
}

fn arg_name(word: &str) -> String {
    word.split_once('=').map_or(word, |(name, _)| name).to_owned()
}

/// The instructions without comments, each with its continuation lines joined.
fn parse_instructions(dockerfile: &str) -> Vec<String> {
    let escape = find_escape_character(dockerfile);
    let mut instructions = Vec::new();
    let mut unfinished = String::new();
    for line in dockerfile.trim_start_matches('\u{feff}').lines() {
        if line.trim_start().starts_with('#') || (line.trim().is_empty() && !unfinished.is_empty()) {
            continue;
        }
        match line.trim_end().strip_suffix(escape) {
            Some(start) => unfinished.push_str(start),
            None => {
                unfinished.push_str(line);
                instructions.push(std::mem::take(&mut unfinished));
            }
        }
    }
    instructions.push(unfinished);
    instructions
}

/// The character of the `escape` directive, which is valid only among the directives at the top.
fn find_escape_character(dockerfile: &str) -> char {
    let directives = dockerfile.trim_start_matches('\u{feff}').lines().map_while(parse_directive);
    let mut escapes = directives.filter(|(name, _)| name.eq_ignore_ascii_case("escape"));
    escapes.next().and_then(|(_, value)| value.chars().next()).unwrap_or('\\')
}

fn parse_directive(line: &str) -> Option<(&str, &str)> {
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
    fn arguments_are_found_in_every_notation() {
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
    fn only_declared_arguments_are_kept() {
        let args = BTreeMap::from([("GIT_REV".to_owned(), "1".to_owned()), ("X".to_owned(), "2".to_owned())]);
        let kept = keep_declared_args(args, "FROM a\nARG GIT_REV\n");
        assert_eq!(kept.into_keys().collect::<Vec<_>>(), ["GIT_REV"]);
    }
}
