//! `.dockerignore`, as `docker build` reads it: the Engine applies it to no context that is uploaded.
//!
//! Compared with the contexts that the Docker CLI sends, over random trees and patterns, it differs on
//! purpose in two ways: a malformed pattern is an error wherever in the pattern the fault is, and an
//! exception with wildcards counts below a directory that is left out too, as it does with BuildKit.
//!
//! It cannot help differing in a third: with BuildKit, `COPY .` also takes a Dockerfile that is ignored.
//! BuildKit looks for it in the context that is uploaded, under whatever name, and leaves nothing out of
//! that; only over a session, as the CLI has it, do the two come apart.

use regex::RegexSet;

use super::pattern;

/// A line of a `.dockerignore` is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid pattern {pattern:?} in line {line} of .dockerignore")]
pub struct InvalidPattern {
    /// The line's number, from 1.
    pub line: usize,
    /// The pattern as it stands there.
    pub pattern: String,
}

/// What a `.dockerignore` says, ready to be asked about paths.
#[derive(Debug)]
pub struct Ignore {
    patterns: RegexSet,
    /// For each pattern, whether it began with `!`.
    exceptions: Vec<bool>,
    /// Paths that stay whatever the patterns say.
    kept: Vec<String>,
}

impl Ignore {
    /// Reads the patterns. `kept` are paths that stay in the context whatever the patterns say: what
    /// the builder itself needs.
    ///
    /// # Errors
    /// Names the first line that is no pattern.
    pub fn parse(text: &str, kept: &[&str]) -> Result<Self, InvalidPattern> {
        let mut expressions = Vec::new();
        let mut exceptions = Vec::new();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let invalid = || InvalidPattern { line: number + 1, pattern: line.trim().to_owned() };
            let Some((exception, cleaned)) = rule(line) else { continue };
            if cleaned.is_empty() || (exception && cleaned == "/") {
                return Err(invalid());
            }
            expressions.push(pattern::to_regex(&cleaned).map_err(|_| invalid())?);
            exceptions.push(exception);
        }
        let patterns = RegexSet::new(&expressions)
            .map_err(|_| InvalidPattern { line: expressions.len(), pattern: "(all of them together)".to_owned() })?;
        let kept = kept.iter().map(|path| (*path).to_owned()).collect();
        Ok(Self { patterns, exceptions, kept })
    }

    /// Whether `path`, relative to the top of the tree and without a `/` at its end, is left out.
    ///
    /// The last pattern that matches the path or a directory above it decides.
    pub fn excludes(&self, path: &str) -> bool {
        if self.exceptions.is_empty() || self.kept.iter().any(|kept| kept == path) {
            return false;
        }
        let last = self_and_parents(path).filter_map(|prefix| self.patterns.matches(prefix).iter().next_back()).max();
        last.and_then(|index| self.exceptions.get(index)).is_some_and(|exception| !exception)
    }
}

/// `a`, `a/b`, `a/b/c` for `a/b/c`.
fn self_and_parents(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(index, _)| index).chain([path.len()]);
    ends.filter_map(|end| path.get(..end))
}

/// The pattern in a line, cleaned, and whether it is an exception. Nothing of a comment or an empty line.
fn rule(line: &str) -> Option<(bool, String)> {
    if line.starts_with('#') || line.trim().is_empty() {
        return None;
    }
    let trimmed = line.trim();
    let (exception, pattern) = match trimmed.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, trimmed),
    };
    Some((exception, relative(clean(pattern))))
}

/// A leading `/` means the top of the tree, like no `/`.
fn relative(path: String) -> String {
    match path.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => path,
    }
}

/// The shortest path with the same meaning: no empty, `.` and inner `..` components, no `/` at the end.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) if !path.is_empty() => ".".to_owned(),
        (false, _) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths among `paths` that are left out.
    fn excluded<'a>(text: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let ignore = Ignore::parse(text, &[]).unwrap();
        paths.iter().copied().filter(|path| ignore.excludes(path)).collect()
    }

    #[test]
    fn patterns_leave_out_what_docker_build_leaves_out() {
        // pattern file, paths that are left out, paths that stay
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
        for (text, out, stay) in cases {
            assert_eq!(excluded(text, out), *out, "{text:?} leaves out");
            assert!(excluded(text, stay).is_empty(), "{text:?} keeps {stay:?}");
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
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
        for (text, out, stay) in cases {
            assert_eq!(excluded(text, out), *out, "{text:?} leaves out");
            assert!(excluded(text, stay).is_empty(), "{text:?} keeps {stay:?}");
        }
    }

    #[test]
    fn what_the_builder_needs_stays() {
        let ignore = Ignore::parse("*\n", &["Dockerfile", ".dockerignore"]).unwrap();
        assert!(!ignore.excludes("Dockerfile") && !ignore.excludes(".dockerignore"));
        assert!(ignore.excludes("sub/Dockerfile"));
    }

    #[test]
    fn an_invalid_pattern_is_named() {
        for (text, line, pattern) in
            [("a\n[", 2, "["), ("!", 1, "!"), ("!/", 1, "!/"), ("\n!  \n", 2, "!"), ("a\\", 1, "a\\")]
        {
            let error = Ignore::parse(text, &[]).unwrap_err();
            assert_eq!((error.line, error.pattern.as_str()), (line, pattern));
        }
        assert_eq!(
            Ignore::parse("x[", &[]).unwrap_err().to_string(),
            "invalid pattern \"x[\" in line 1 of .dockerignore"
        );
    }
}
