//! Reading JSON and TOML files of a repository.

use serde_json::Value;
use toml::Table;

use super::error::StackError;
use super::files::RepositoryFiles;

/// The JSON file as an object; empty if the file does not exist.
pub(super) fn read_json(files: &RepositoryFiles, name: &str) -> Result<Value, StackError> {
    let Some(text) = files.text(name) else { return Ok(Value::Null) };
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
        StackError::at(name, text, (error.line().max(1), error.column().max(1)), reason)
    })?;
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(StackError::at(name, text, (1, 1), "expected an object")),
    }
}

/// The TOML file; empty if the file does not exist.
pub(super) fn read_toml(files: &RepositoryFiles, name: &str) -> Result<Table, StackError> {
    let Some(text) = files.text(name) else { return Ok(Table::new()) };
    text.parse().map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        StackError::at(name, text, position(text, start), error.message())
    })
}

/// The line and the column, from 1, of an offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The text at a path of keys, such as `["engines", "node"]`.
pub(super) fn json_text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(value, |value, key| value.get(key))?.as_str()
}

/// The text at a path of keys.
pub(super) fn toml_text<'a>(table: &'a Table, path: &[&str]) -> Option<&'a str> {
    let (last, parents) = path.split_last()?;
    parents.iter().try_fold(table, |table, key| table.get(*key)?.as_table())?.get(*last)?.as_str()
}

/// Whether the text has a name of a package that is not part of a longer name. Upper and lower case are the same.
pub(super) fn mentions(text: &str, package: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.match_indices(package).any(|(start, _)| {
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let after = text.get(start + package.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(name: &str, text: &str) -> RepositoryFiles {
        RepositoryFiles::new(vec![name.to_owned()], [(name.to_owned(), text.as_bytes().to_vec())])
    }

    #[test]
    fn a_broken_file_is_reported_with_line_column_and_text() {
        let error = read_json(&files("package.json", "{\n  \"a\": 1,\n  b\n}\n"), "package.json").unwrap_err();
        assert_eq!(error.to_string(), "package.json, line 3, column 3: key must be a string\n  b");
        let error = read_toml(&files("pyproject.toml", "[project]\nname = \n"), "pyproject.toml").unwrap_err();
        assert!(error.to_string().starts_with("pyproject.toml, line 2, column 8: "), "{error}");
        assert!(read_json(&files("package.json", "[]"), "package.json").is_err());
        assert!(read_json(&files("package.json", ""), "package.json").is_err());
    }

    #[test]
    fn a_package_is_not_found_inside_of_another_name() {
        assert!(mentions("psycopg2==2.9", "psycopg2") && mentions("gem 'pg'", "pg") && mentions("Django>=5", "django"));
        assert!(!mentions("psycopg2-binary", "psycopg2") && !mentions("pgvector my-pg", "pg"));
    }
}
