//! git's rules for ref names, and directory/file conflicts between refs.

use std::collections::BTreeSet;
use std::ops::Bound;

/// In bytes. Every path that git derives from such a name fits into a file system.
const MAX_NAME_LEN: usize = 255;
/// In bytes: git creates `COMPONENT.lock` beside a component, and file names are limited to 255 bytes.
const MAX_COMPONENT_LEN: usize = 250;

/// The name spaces below `refs/` that slipway stores.
const SPACES: [&str; 2] = ["heads/", "tags/"];

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

/// Whether git would take the name, in a clone or for a push, as an abbreviation of another ref's: it tries `refs/`,
/// `refs/tags/` and `refs/heads/` in front of a name (gitrevisions(7)).
pub(super) fn is_ambiguous(name: &str) -> bool {
    let short = SPACES.iter().find_map(|space| name.strip_prefix("refs/")?.strip_prefix(space)).unwrap_or_default();
    short == "HEAD" || short.starts_with("refs/") || SPACES.iter().any(|space| short.starts_with(space))
}

/// The ref that an ambiguous name was probably meant to be: `refs/heads/main` for `refs/heads/refs/heads/main`.
pub(super) fn find_meant(name: &str) -> Option<String> {
    let (mut space, mut rest) = ("heads/", name);
    loop {
        if let Some(shorter) = rest.strip_prefix("refs/") {
            rest = shorter;
        } else if let Some(found) = SPACES.into_iter().find(|space| rest.starts_with(space)) {
            (space, rest) = (found, rest.strip_prefix(found)?);
        } else {
            let meant = format!("refs/{space}{rest}");
            return (!rest.is_empty() && rest != "HEAD").then_some(meant);
        }
    }
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
    fn a_name_that_begins_like_a_full_name_is_ambiguous() {
        for (name, meant) in [
            ("refs/heads/refs/heads/main", Some("refs/heads/main")),
            ("refs/heads/heads/main", Some("refs/heads/main")),
            ("refs/heads/heads/refs/heads/a/b", Some("refs/heads/a/b")),
            ("refs/heads/tags/v1", Some("refs/tags/v1")),
            ("refs/tags/refs/tags/v1", Some("refs/tags/v1")),
            ("refs/tags/refs/heads/main", Some("refs/heads/main")),
            ("refs/heads/refs/pull/1/head", Some("refs/heads/pull/1/head")),
            ("refs/heads/HEAD", None),
            ("refs/tags/HEAD", None),
            ("refs/heads/refs/heads/HEAD", None),
        ] {
            assert!(is_ambiguous(name), "{name}");
            assert_eq!(find_meant(name).as_deref(), meant, "{name}");
        }
        for name in
            ["refs/heads/main", "refs/heads/refs", "refs/heads/headstart", "refs/heads/a/heads/b", "refs/tags/v1"]
        {
            assert!(!is_ambiguous(name), "{name}");
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
