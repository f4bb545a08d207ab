//! Ruby with Bundler: Rails, and other Rack apps.

use super::error::StackError;
use super::files::RepositoryFiles;
use super::manifest::mentions;
use super::plan::{Sourced, StackPlan};
use super::procfile::read_web_command;
use super::stack::Stack;
use super::version::{self, VersionFile};

const GEMFILE: &str = "Gemfile";
const LOCK: &str = "Gemfile.lock";
const DEFAULT: &str = "3.4";
const VERSION_FILES: &[VersionFile] =
    &[VersionFile::Plain(".ruby-version", &["ruby-"]), VersionFile::ToolVersions(&["ruby"])];
/// Libraries that gems load at run time: a gem, and Debian's package of the library.
const LIBRARIES: &[(&str, &str)] =
    &[("pg", "libpq5"), ("mysql2", "libmariadb3"), ("sqlite3", "libsqlite3-0"), ("ruby-vips", "libvips42")];

pub(super) fn plan(files: &RepositoryFiles) -> Result<StackPlan, StackError> {
    let gems = [GEMFILE, LOCK].iter().filter_map(|name| files.text(name)).flat_map(str::lines);
    let gems = gems
        .map(|line| line.split('#').next().unwrap_or_default())
        .fold(String::new(), |text, line| text + line + "\n");
    let is_rails = mentions(&gems, "rails");
    let start = match read_web_command(files)? {
        Some(web) => web,
        None => find_start(files, &gems, is_rails)?,
    };
    let version = find_version(files)?;
    let tag = version::as_tag(&version.value);
    let packages: Vec<&str> =
        LIBRARIES.iter().filter(|(gem, _)| mentions(&gems, gem)).map(|(_, library)| *library).collect();
    let mut plan = StackPlan::new(Stack::Ruby, Some(version), start)
        .with_dependencies("bundler", if files.has(LOCK) { LOCK } else { GEMFILE })
        .with_image("build_image", "ruby", tag.clone())
        .with_image("runtime_image", "ruby", tag.followed_by("-slim"))
        .with("has_lock", files.has(LOCK))
        .with("needs_sources", gems.contains("path:") || gems.contains("gemspec"))
        .with("has_version_file", files.has(".ruby-version"))
        .with("is_rails", is_rails)
        .with("has_assets", is_rails && (mentions(&gems, "sprockets-rails") || mentions(&gems, "propshaft")))
        .with("packages", packages);
    if is_rails {
        plan.notes.push("Rails needs SECRET_KEY_BASE or RAILS_MASTER_KEY in its environment".to_owned());
    }
    Ok(plan)
}

fn find_start(files: &RepositoryFiles, gems: &str, is_rails: bool) -> Result<Sourced, StackError> {
    let has_rack = files.has("config.ru");
    match () {
        () if is_rails => Ok(Sourced::from_file("bundle exec rails server -b 0.0.0.0 -p $PORT", "rails in Gemfile")),
        () if has_rack && mentions(gems, "puma") => {
            Ok(Sourced::from_file("bundle exec puma -b tcp://0.0.0.0:$PORT", "puma in Gemfile"))
        }
        () if has_rack => Ok(Sourced::from_file("bundle exec rackup config.ru -o 0.0.0.0 -p $PORT", "config.ru")),
        () => Err(StackError::NoStartCommand {
            stack: Stack::Ruby,
            marker: GEMFILE.to_owned(),
            looked_for: "a line \"web:\" in a Procfile, the gem rails, and config.ru".to_owned(),
            example: "bundle exec puma -b tcp://0.0.0.0:$PORT",
        }),
    }
}

fn find_version(files: &RepositoryFiles) -> Result<Sourced, StackError> {
    if let Some(version) = version::read_version(files, VERSION_FILES, DEFAULT)? {
        return Ok(version);
    }
    if let Some(version) = files.text(LOCK).and_then(locked_version) {
        return version::check(LOCK, version, DEFAULT);
    }
    match files.text(GEMFILE).and_then(declared_version) {
        // A range such as `~> 3.2` allows later ones, too, but its first version certainly fits.
        Some(version) => version::check(GEMFILE, version.trim_start_matches(['~', '>', '=', ' ']), DEFAULT),
        None => Ok(Sourced::default_of(DEFAULT)),
    }
}

/// `ruby 3.3.1p55` in the section RUBY VERSION.
fn locked_version(lock: &str) -> Option<&str> {
    let (_, section) = lock.split_once("RUBY VERSION")?;
    let version = section.lines().map(str::trim).find(|line| !line.is_empty())?.strip_prefix("ruby ")?;
    version.split('p').next()
}

/// The text of `ruby "3.3.1"`; other notations, such as `ruby file: ".ruby-version"`, name no version here.
fn declared_version(gemfile: &str) -> Option<&str> {
    let line = gemfile.lines().find_map(|line| line.trim().strip_prefix("ruby "))?;
    let quote = line.trim().chars().next().filter(|c| matches!(c, '"' | '\''))?;
    line.trim().get(1..)?.split(quote).next()
}
