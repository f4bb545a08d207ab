//! Go modules.

use super::error::StackError;
use super::files::RepositoryFiles;
use super::plan::{Sourced, StackPlan};
use super::procfile::read_web_command;
use super::stack::Stack;
use super::version::{self, VersionFile};
use super::word::Word;

const GO_MOD: &str = "go.mod";
const DEFAULT: &str = "1.25";
const VERSION_FILES: &[VersionFile] =
    &[VersionFile::Plain(".go-version", &["go"]), VersionFile::ToolVersions(&["golang", "go"])];

pub(super) fn plan(files: &RepositoryFiles) -> Result<StackPlan, StackError> {
    let module = files.text(GO_MOD).unwrap_or_default();
    let has_root_program = files.names().any(|name| name.ends_with(".go") && !name.ends_with("_test.go"));
    let builds_all = !has_root_program && files.has("cmd");
    let web = read_web_command(files)?;
    let version = find_version(files, module)?;
    let tag = version::as_tag(&version.value);
    let has_web = web.is_some();
    let start = match web {
        Some(web) => web,
        None if has_root_program => Sourced::from_file("app", "the package at the root"),
        None if builds_all => Sourced::from_file("app", "the package in cmd"),
        None => {
            return Err(StackError::NoStartCommand {
                stack: Stack::Go,
                marker: GO_MOD.to_owned(),
                looked_for: "a line \"web:\" in a Procfile, *.go at the root, and the directory cmd".to_owned(),
                example: "server",
            });
        }
    };
    let plan = StackPlan::new(Stack::Go, Some(version), start)
        .with_dependencies("go mod", if files.has("go.sum") { "go.sum" } else { GO_MOD })
        .with_image("build_image", "golang", tag)
        .with_image("runtime_image", "debian", Word::fixed("bookworm-slim"))
        .with("has_sum", files.has("go.sum"))
        .with("has_vendor", files.has("vendor"))
        .with("needs_sources", has_local_replacement(module) || files.has("go.work"))
        .with("builds_commands", !has_root_program)
        .with("has_web", has_web);
    Ok(plan)
}

/// The directive `toolchain`, otherwise `go`; a file for version managers comes first.
fn find_version(files: &RepositoryFiles, module: &str) -> Result<Sourced, StackError> {
    if let Some(version) = version::read_version(files, VERSION_FILES, DEFAULT)? {
        return Ok(version);
    }
    let directive = |name: &str| {
        module.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(name)).then(|| words.next()).flatten()
        })
    };
    let toolchain =
        directive("toolchain").and_then(|text| text.strip_prefix("go")).filter(|text| version::is_version(text));
    match toolchain.or_else(|| directive("go")) {
        Some(text) => version::check(GO_MOD, text, DEFAULT),
        None => Ok(Sourced::default_of(DEFAULT)),
    }
}

/// Whether a module is replaced by a directory of the repository.
fn has_local_replacement(module: &str) -> bool {
    module.lines().filter_map(|line| line.split_once("=>")).any(|(_, target)| target.trim().starts_with('.'))
}
