//! git's rules for ref names, and directory/file conflicts between refs.

use std::collections::BTreeSet;
use std::ops::Bound;

/// In bytes. Every path that git derives from such a name fits into a file system.
const MAX_NAME_LEN: usize = 255;
/// In bytes: git creates `COMPONENT.lock` beside a component, and file names are limited to 255 bytes.
const MAX_COMPONENT_LEN: usize = 250;

/// Whether git accepts the name (git-check-ref-format(1)) and a file system can store it.
pub(super) fn is_valid(name: &str) -> bool {
    let forbidden = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    name.len() <= MAX_NAME_LEN
        && name.contains('/')
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && !name.contains(forbidden)
        && name.split('/').all(is_valid_component)
}

fn is_valid_component(part: &str) -> bool {
    !part.is_empty() && part.len() <= MAX_COMPONENT_LEN && !part.starts_with('.') && !part.ends_with(".lock")
}

/// A name that cannot exist together with `name`, because one of the two would be a directory of the other.
pub(super) fn find_conflict<'a>(names: &BTreeSet<&'a str>, name: &str) -> Option<&'a str> {
    let parent = name.match_indices('/').filter_map(|(at, _)| name.get(..at)).find_map(|parent| names.get(parent));
    let child = || {
        let prefix = format!("{name}/");
        let next = names.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded)).next();
        next.filter(|other| other.starts_with(&prefix))
    };
    parent.or_else(child).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ref_names_follow_the_rules_of_git() {
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
    fn a_ref_conflicts_with_a_ref_below_or_above_it() {
        let names = BTreeSet::from(["refs/heads/a/b", "refs/heads/c", "refs/heads/c-d"]);
        assert_eq!(find_conflict(&names, "refs/heads/a"), Some("refs/heads/a/b"));
        assert_eq!(find_conflict(&names, "refs/heads/c/x/y"), Some("refs/heads/c"));
        assert_eq!(find_conflict(&names, "refs/heads/a/c"), None);
        assert_eq!(find_conflict(&names, "refs/heads/c-"), None);
        assert_eq!(find_conflict(&names, "refs/heads/c"), None);
    }
}
