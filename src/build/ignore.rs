//! `.dockerignore` with the rules of `docker build`. The Engine does not apply the file to an uploaded context.
//!
//! A comparison with the contexts of the Docker CLI, over random trees and patterns, showed two differences, both
//! intended: here a malformed pattern is an error wherever in the pattern the fault is, and an exception with wildcards
//! also applies below an ignored directory, as it does with BuildKit.
//!
//! A third difference cannot be avoided: with BuildKit, `COPY .` includes an ignored Dockerfile. BuildKit reads the
//! Dockerfile from the uploaded context and copies all of that context; only the CLI sends both separately, over a
//! session.

use regex::RegexSet;

use super::pattern;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIgnoreFile {
    #[error("invalid pattern {pattern:?} on line {line} of .dockerignore")]
    Pattern {
        /// From 1.
        line: usize,
        /// The pattern as it is written in the file.
        pattern: String,
    },
    #[error(".dockerignore is too large: its {patterns} patterns together exceed what slipway can match")]
    TooLarge { patterns: usize },
}

#[derive(Debug, Clone)]
pub(super) struct IgnoreRules {
    patterns: RegexSet,
    /// For each pattern, whether it begins with `!`.
    exceptions: Vec<bool>,
    /// Paths that are never ignored.
    kept: Vec<String>,
}

impl IgnoreRules {
    /// Parses a `.dockerignore`. The paths `kept` are never ignored: the builder itself needs them.
    ///
    /// # Errors
    /// [`InvalidIgnoreFile`], for the first malformed line.
    pub(super) fn parse(text: &str, kept: &[&str]) -> Result<Self, InvalidIgnoreFile> {
        let mut expressions = Vec::new();
        let mut exceptions = Vec::new();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let invalid = || InvalidIgnoreFile::Pattern { line: number + 1, pattern: line.trim().to_owned() };
            let Some((is_exception, cleaned)) = parse_line(line) else { continue };
            if cleaned.is_empty() || (is_exception && cleaned == "/") {
                return Err(invalid());
            }
            expressions.push(pattern::to_regex(&cleaned).map_err(|_| invalid())?);
            exceptions.push(is_exception);
        }
        let patterns =
            RegexSet::new(&expressions).map_err(|_| InvalidIgnoreFile::TooLarge { patterns: expressions.len() })?;
        let kept = kept.iter().map(|path| (*path).to_owned()).collect();
        Ok(Self { patterns, exceptions, kept })
    }

    /// Whether `path`, relative to the root of the tree and without a trailing `/`, is ignored.
    ///
    /// The last pattern that matches the path or one of its parent directories decides.
    pub(super) fn is_ignored(&self, path: &str) -> bool {
        if self.exceptions.is_empty() || self.kept.iter().any(|kept| kept == path) {
            return false;
        }
        let last = self_and_parents(path).filter_map(|prefix| self.patterns.matches(prefix).iter().next_back()).max();
        last.and_then(|index| self.exceptions.get(index)).is_some_and(|is_exception| !is_exception)
    }
}

/// `a`, `a/b`, `a/b/c` for `a/b/c`.
fn self_and_parents(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(index, _)| index).chain([path.len()]);
    ends.filter_map(|end| path.get(..end))
}

/// Whether the line is an exception, and its cleaned pattern. `None` for a comment or an empty line.
fn parse_line(line: &str) -> Option<(bool, String)> {
    if line.starts_with('#') || line.trim().is_empty() {
        return None;
    }
    let trimmed = line.trim();
    let (is_exception, pattern) = match trimmed.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, trimmed),
    };
    Some((is_exception, strip_leading_slash(clean_path(pattern))))
}

/// A leading `/` means the root of the tree, which is also the meaning without it.
fn strip_leading_slash(path: String) -> String {
    match path.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => path,
    }
}

/// The shortest equivalent path, as Go's `path.Clean` returns it: no empty, `.` or inner `..` components and no
/// trailing `/`. An empty path stays empty.
fn clean_path(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if is_rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (is_rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) if !path.is_empty() => ".".to_owned(),
        (false, _) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ignored paths among `paths`.
    fn ignored<'a>(text: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let rules = IgnoreRules::parse(text, &[]).unwrap();
        paths.iter().copied().filter(|path| rules.is_ignored(path)).collect()
    }

    #[test]
    fn patterns_ignore_the_files_that_docker_build_ignores() {
        // content of the file, ignored paths, other paths
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("", &[], &["a"]),
            ("a", &["a", "a/b", "a/b/c"], &["ab", "b/a"]),
            ("/a", &["a", "a/b"], &["b/a"]),
            ("a/", &["a", "a/b"], &["b"]),
            ("./a//b/../c", &["a/c", "a/c/d"], &["a/b"]),
            ("../a", &[], &["a"]),
            ("/../a", &["a"], &["b/a"]),
            ("/", &[], &["a"]),
            (".", &[], &["a", ".a"]),
            ("*", &["a", "a/b", ".hidden"], &[]),
            ("*/temp*", &["x/temp", "x/temporary.txt", "x/temp/y"], &["temp", "x/y/temp"]),
            ("*/*/temp*", &["x/y/temp1"], &["x/temp1"]),
            ("temp?", &["tempa", "temp1"], &["temp", "tempab", "x/tempa"]),
            ("**/*.go", &["a.go", "x/a.go", "x/y/a.go"], &["a.gox"]),
            ("**/node_modules", &["node_modules/x", "a/node_modules/x/y"], &["a/node_modules2"]),
            ("**", &["a", "a/b"], &[]),
            ("**.md", &["a.md", "x/a.md", "x.md/y"], &["md", "a.mdx"]),
            ("dir/**", &["dir/a", "dir/a/b"], &["dir", "dirx"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["a", "ab", "x/a/b"]),
            ("[a-c].txt", &["a.txt", "c.txt"], &["d.txt", "-.txt"]),
            ("[^a-c].txt", &["d.txt"], &["a.txt"]),
            ("[!a].txt", &["!.txt", "a.txt"], &["b.txt"]),
            ("{a,b}", &["{a,b}"], &["a", "b"]),
            ("a.b", &["a.b"], &["axb"]),
            ("a+(b)|c$", &["a+(b)|c$"], &["aab", "c"]),
            ("\\*", &["*"], &["a"]),
            ("ünï*", &["ünïcode"], &["uni"]),
            ("  spaced  ", &["spaced"], &["  spaced  "]),
            ("a b", &["a b"], &["a", "b"]),
            ("a\r\nb\r\n", &["a", "b"], &["c"]),
            ("# comment\n\n #a", &["#a"], &["# comment", "comment"]),
            ("\u{feff}a\nb", &["a", "b"], &[]),
        ];
        for (text, out, others) in cases {
            assert_eq!(ignored(text, out), *out, "{text:?} ignores");
            assert!(ignored(text, others).is_empty(), "{text:?} ignores one of {others:?}");
        }
    }

    #[test]
    fn the_last_matching_pattern_decides() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("*.md\n!README.md", &["a.md"], &["README.md"]),
            ("*.md\n!README*.md\nREADME-secret.md", &["README-secret.md"], &["README.md", "README-x.md"]),
            ("*.md\nREADME-secret.md\n!README*.md", &["a.md"], &["README.md", "README-secret.md"]),
            ("!README.md\n*.md", &["README.md"], &[]),
            ("*\n!src", &["a", "srcx"], &["src", "src/a", "src/a/b"]),
            ("*\n!/src/**/*.rs", &["src", "src/a.c"], &["src/a.rs", "src/x/a.rs"]),
            ("dir\n!dir/keep", &["dir", "dir/a"], &["dir/keep", "dir/keep/x"]),
            ("dir\n!dir/keep\ndir/keep/not", &["dir/a", "dir/keep/not"], &["dir/keep/x"]),
            ("*\n! src", &["a"], &["src"]),
            ("!a", &[], &["a", "b"]),
        ];
        for (text, out, others) in cases {
            assert_eq!(ignored(text, out), *out, "{text:?} ignores");
            assert!(ignored(text, others).is_empty(), "{text:?} ignores one of {others:?}");
        }
    }

    #[test]
    fn files_that_the_builder_needs_are_kept() {
        let rules = IgnoreRules::parse("*\n", &["Dockerfile", ".dockerignore"]).unwrap();
        assert!(!rules.is_ignored("Dockerfile") && !rules.is_ignored(".dockerignore"));
        assert!(rules.is_ignored("sub/Dockerfile"));
    }

    #[test]
    fn an_invalid_pattern_is_reported_with_its_line() {
        for (text, line, pattern) in
            [("a\n[", 2, "["), ("!", 1, "!"), ("!/", 1, "!/"), ("\n!  \n", 2, "!"), ("a\\", 1, "a\\")]
        {
            let error = IgnoreRules::parse(text, &[]).unwrap_err();
            assert_eq!(error, InvalidIgnoreFile::Pattern { line, pattern: pattern.to_owned() });
        }
        assert_eq!(
            IgnoreRules::parse("x[", &[]).unwrap_err().to_string(),
            "invalid pattern \"x[\" on line 1 of .dockerignore"
        );
    }

    #[test]
    fn a_file_with_too_many_patterns_is_reported_as_a_whole() {
        let text: String = (0..20_000).map(|n| format!("**/{n}*/**/[a-z{n}]*\n")).collect();
        let error = IgnoreRules::parse(&text, &[]).unwrap_err();
        assert!(error.to_string().starts_with(".dockerignore is too large: its 20000 patterns"), "{error}");
    }
}
