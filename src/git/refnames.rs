//! git's rules for ref names, and which names can't stand beside each other.

use std::collections::BTreeSet;
use std::ops::Bound;

/// The longest ref name: below it every path that git makes of it fits.
const LONGEST: usize = 255;
/// The longest component: git writes `COMPONENT.lock` beside it, and file names end at 255 bytes.
const LONGEST_COMPONENT: usize = 250;

/// Whether git would take the name (git-check-ref-format(1)) and a file system can hold it.
pub(super) fn is_valid(name: &str) -> bool {
    let forbidden = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    name.len() <= LONGEST
        && name.contains('/')
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && !name.contains(forbidden)
        && name.split('/').all(is_component)
}

fn is_component(part: &str) -> bool {
    !part.is_empty() && part.len() <= LONGEST_COMPONENT && !part.starts_with('.') && !part.ends_with(".lock")
}

/// A name that can't exist together with `name`, as one is a directory of the other.
pub(super) fn conflict<'a>(names: &BTreeSet<&'a str>, name: &str) -> Option<&'a str> {
    let above = name.match_indices('/').filter_map(|(at, _)| name.get(..at)).find_map(|parent| names.get(parent));
    let below = || {
        let inside = format!("{name}/");
        let next = names.range::<str, _>((Bound::Included(inside.as_str()), Bound::Unbounded)).next();
        next.filter(|other| other.starts_with(&inside))
    };
    above.or_else(below).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_gits_rules() {
        for good in ["refs/heads/main", "refs/heads/a/b", "refs/tags/v1.0", "refs/heads/ä", "refs/heads/a;b$(c)"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "",
            "main",
            "refs/heads/",
            "refs/heads//a",
            "refs/heads/.a",
            "refs/heads/a..b",
            "refs/heads/a.lock",
            "refs/heads/a.lock/b",
            "refs/heads/a b",
            "refs/heads/a\u{7f}",
            "refs/heads/a\n",
            "refs/heads/a:b",
            "refs/heads/a@{1}",
            "refs/heads/a.",
            "refs/heads/a\\b",
            &format!("refs/heads/{}", "a".repeat(251)),
        ] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_directory_and_a_file_conflict() {
        let names = BTreeSet::from(["refs/heads/a/b", "refs/heads/c", "refs/heads/c-d"]);
        assert_eq!(conflict(&names, "refs/heads/a"), Some("refs/heads/a/b"));
        assert_eq!(conflict(&names, "refs/heads/c/x/y"), Some("refs/heads/c"));
        assert_eq!(conflict(&names, "refs/heads/a/c"), None);
        assert_eq!(conflict(&names, "refs/heads/c-"), None);
        assert_eq!(conflict(&names, "refs/heads/c"), None);
    }
}
