//! PHP with Apache, and Composer.

use serde_json::Value;

use super::error::StackError;
use super::files::RepositoryFiles;
use super::manifest::{json_text, read_json};
use super::plan::{Sourced, StackPlan};
use super::procfile::read_web_command;
use super::range;
use super::stack::Stack;
use super::version::{self, VersionFile};
use super::word::Word;

const COMPOSER_JSON: &str = "composer.json";
const LOCK: &str = "composer.lock";
const DEFAULT_MINOR: u32 = 4;
const VERSION_FILES: &[VersionFile] = &[VersionFile::Plain(".php-version", &[]), VersionFile::ToolVersions(&["php"])];
/// Extensions that PHP's image can add, and the Debian packages that their build needs.
const EXTENSIONS: &[(&str, &[&str])] = &[
    ("bcmath", &[]),
    ("exif", &[]),
    ("gd", &["libpng-dev", "libjpeg-dev"]),
    ("gmp", &["libgmp-dev"]),
    ("intl", &["libicu-dev"]),
    ("mysqli", &[]),
    ("pcntl", &[]),
    ("pdo_mysql", &[]),
    ("pdo_pgsql", &["libpq-dev"]),
    ("pgsql", &["libpq-dev"]),
    ("soap", &["libxml2-dev"]),
    ("sockets", &[]),
    ("zip", &["libzip-dev"]),
];

pub(super) fn plan(files: &RepositoryFiles) -> Result<StackPlan, StackError> {
    let composer = read_json(files, COMPOSER_JSON)?;
    let version = find_version(files, &composer)?;
    let tag = version::as_tag(&version.value);
    let start = match read_web_command(files)? {
        Some(web) => web,
        None => Sourced::default_of("apache2-foreground"),
    };
    let extensions: Vec<_> = EXTENSIONS.iter().filter(|(name, _)| requires(&composer, name)).collect();
    let mut packages: Vec<&str> = extensions.iter().flat_map(|(_, packages)| packages.iter().copied()).collect();
    packages.sort_unstable();
    packages.dedup();
    let plan = StackPlan::new(Stack::Php, Some(version), start)
        .with_image("runtime_image", "php", tag.followed_by("-apache"))
        .with_image("composer_image", "composer", Word::fixed("2"))
        .with("has_composer", files.has(COMPOSER_JSON))
        .with("has_lock", files.has(LOCK))
        .with("public", if files.has("public") { "/app/public" } else { "/app" })
        .with("extensions", extensions.iter().map(|(name, _)| *name).collect::<Vec<_>>())
        .with("packages", packages);
    Ok(match files.has(COMPOSER_JSON) {
        true => plan.with_dependencies("composer", if files.has(LOCK) { LOCK } else { COMPOSER_JSON }),
        false => plan,
    })
}

fn requires(composer: &Value, extension: &str) -> bool {
    composer.get("require").is_some_and(|all| all.get(format!("ext-{extension}")).is_some())
}

fn find_version(files: &RepositoryFiles, composer: &Value) -> Result<Sourced, StackError> {
    if let Some(version) = version::read_version(files, VERSION_FILES, "8.4")? {
        return Ok(version);
    }
    if let Some(version) = json_text(composer, &["config", "platform", "php"]) {
        let version = version::check(COMPOSER_JSON, version, "8.4")?;
        return Ok(Sourced { value: version::leading(&version.value, 2), ..version });
    }
    let Some(range) = json_text(composer, &["require", "php"]) else {
        return Ok(Sourced::default_of(format!("8.{DEFAULT_MINOR}")));
    };
    let minor = choose_minor(range).ok_or_else(|| {
        StackError::invalid_value(COMPOSER_JSON, range, "a range of PHP 8 versions such as ^8.2 (require)")
    })?;
    Ok(Sourced::from_file(format!("8.{minor}"), "require in composer.json"))
}

/// The minor version of PHP 8 for a range. `^8.2` allows all later ones of PHP 8.
fn choose_minor(range: &str) -> Option<u32> {
    let alternatives = range.replace("||", "|");
    let found = alternatives.split('|').filter_map(|alternative| {
        let words = alternative.split([',', ' ']).filter(|part| !part.is_empty());
        let comparators: Option<Vec<String>> = words.map(strip_major).collect();
        range::choose(&comparators?.join(" "), DEFAULT_MINOR)
    });
    found.max()
}

/// A comparator without the `8.` of its version. Later or earlier major versions do not limit PHP 8.
fn strip_major(comparator: &str) -> Option<String> {
    let version = comparator.trim_start_matches(['<', '>', '=', '^', '~', '!']);
    let operator = comparator.get(..comparator.len() - version.len())?;
    let is_limit_elsewhere = match operator {
        "<" | "<=" => version.starts_with('9'),
        ">" | ">=" => version.starts_with(['5', '7']),
        "!=" => true,
        _ => comparator == "*",
    };
    if is_limit_elsewhere {
        return Some("*".to_owned());
    }
    let rest = match version.strip_prefix('8')? {
        "" => return Some("*".to_owned()),
        rest => rest.strip_prefix('.')?,
    };
    Some(range::minor_comparator(operator, rest, "~"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_version_is_used_if_the_range_allows_it() {
        for (range, expected) in [
            ("^8.1", Some(4)),
            (">=8.1", Some(4)),
            (">=7.4", Some(4)),
            (">=8.1 <8.3", Some(2)),
            ("~8.2.0", Some(2)),
            ("~8.2", Some(4)),
            ("8.2.*", Some(2)),
            ("8.2", Some(2)),
            ("^7.4 || ^8.0", Some(4)),
            ("^7.4|^8.0", Some(4)),
            ("*", Some(4)),
            ("^7.4", None),
            ("new", None),
        ] {
            assert_eq!(choose_minor(range), expected, "{range}");
        }
    }
}
