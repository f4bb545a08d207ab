//! Versions of languages, from the files that name them.

use super::error::StackError;
use super::files::RepositoryFiles;
use super::plan::Sourced;
use super::word::Word;

pub(super) const TOOL_VERSIONS: &str = ".tool-versions";

/// A file that names a version.
#[derive(Debug, Clone, Copy)]
pub(super) enum VersionFile {
    /// The first line is the version, possibly after one of the prefixes.
    Plain(&'static str, &'static [&'static str]),
    /// asdf's `.tool-versions`: a line with one of these names, then the version.
    ToolVersions(&'static [&'static str]),
}

/// The version in the first of the files that names one. `example` is part of the message about a version that is none.
pub(super) fn read_version(
    files: &RepositoryFiles,
    sources: &[VersionFile],
    example: &str,
) -> Result<Option<Sourced>, StackError> {
    for source in sources {
        let (file, found) = match source {
            VersionFile::Plain(file, prefixes) => {
                (*file, files.text(file).and_then(first_line).map(|line| strip_prefixes(line, prefixes)))
            }
            VersionFile::ToolVersions(names) => {
                (TOOL_VERSIONS, files.text(TOOL_VERSIONS).and_then(|text| tool(text, names)))
            }
        };
        if let Some(value) = found {
            return check(file, value, example).map(Some);
        }
    }
    Ok(None)
}

/// A version from a file.
pub(super) fn check(file: &str, value: &str, example: &str) -> Result<Sourced, StackError> {
    let version = value.strip_prefix('v').unwrap_or(value);
    if is_version(version) {
        Ok(Sourced::from_file(version, file))
    } else {
        Err(StackError::invalid_value(file, value, format!("a version such as {example}")))
    }
}

/// One to three numbers with dots between them.
pub(super) fn is_version(text: &str) -> bool {
    let is_number = |part: &str| (1..=5).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    text.split('.').count() <= 3 && text.split('.').all(is_number)
}

/// The first line that is neither empty nor a comment.
fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))
}

fn strip_prefixes<'a>(line: &'a str, prefixes: &[&str]) -> &'a str {
    prefixes.iter().find_map(|prefix| line.strip_prefix(prefix)).unwrap_or(line)
}

/// The first version of a tool. A distribution before it (`temurin-21`) and a build after it (`1.18-otp-27`) are left out.
fn tool<'a>(text: &'a str, names: &[&str]) -> Option<&'a str> {
    let words = text.lines().map(|line| line.split_whitespace());
    let version = words.into_iter().find_map(|mut line| {
        let name = line.next()?;
        names.contains(&name).then(|| line.next()).flatten()
    })?;
    let number = version
        .find(|c: char| c.is_ascii_digit())
        .filter(|start| *start == 0 || version.get(..*start).is_some_and(|p| p.ends_with('-')));
    let version = version.get(number.unwrap_or(0)..).unwrap_or(version);
    Some(version.split(['-', '+']).next().unwrap_or(version))
}

/// The leading numbers of a version: the major one, or the major and the minor one.
pub(super) fn leading(version: &str, count: usize) -> String {
    version.split('.').take(count).collect::<Vec<_>>().join(".")
}

pub(super) fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// The version as a part of an image's tag. Versions consist of digits and dots.
pub(super) fn as_tag(version: &str) -> Word {
    Word::new(version).unwrap_or_else(|| Word::fixed("latest"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(name: &str, text: &str) -> RepositoryFiles {
        RepositoryFiles::new(vec![name.to_owned()], [(name.to_owned(), text.as_bytes().to_vec())])
    }

    #[test]
    fn a_version_is_read_from_the_file_that_names_it() {
        let plain = [VersionFile::Plain("runtime.txt", &["python-"]), VersionFile::ToolVersions(&["python", "java"])];
        for (name, text, expected) in [
            ("runtime.txt", "python-3.12.1\n", "3.12.1"),
            ("runtime.txt", "# comment\n\n v3.12 \r\n", "3.12"),
            (".tool-versions", "nodejs 22\npython 3.11 3.10\n", "3.11"),
            (".tool-versions", "java temurin-21.0.2+13", "21.0.2"),
            (".tool-versions", "python 1.18.1-otp-27", "1.18.1"),
        ] {
            let found = read_version(&files(name, text), &plain, "3.12").unwrap().unwrap();
            assert_eq!(found, Sourced::from_file(expected, name));
        }
        assert_eq!(read_version(&files("runtime.txt", "# nothing\n"), &plain, "3.12").unwrap(), None);
    }

    #[test]
    fn a_version_that_is_none_is_refused_with_its_file() {
        let plain = [VersionFile::Plain(".python-version", &[])];
        for text in ["three", "3.12\"", "3..1", "1.2.3.4", "3.12 AS x", "-1", "999999", "system"] {
            let error = read_version(&files(".python-version", text), &plain, "3.12").unwrap_err().to_string();
            assert!(
                error.starts_with(".python-version: ") && error.ends_with("is not a version such as 3.12"),
                "{error}"
            );
        }
    }
}
