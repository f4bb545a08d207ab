//! Rust with Cargo.

use toml::{Table, Value};

use super::error::StackError;
use super::files::RepositoryFiles;
use super::manifest::{read_toml, toml_text};
use super::plan::{Sourced, StackPlan};
use super::procfile::read_web_command;
use super::stack::Stack;
use super::version::{self, VersionFile};
use super::word::{Word, is_word};

const CARGO_TOML: &str = "Cargo.toml";
const DEFAULT: &str = "1";
const EXAMPLE: &str = "1.90";
const VERSION_FILES: &[VersionFile] = &[VersionFile::ToolVersions(&["rust"])];

pub(super) fn plan(files: &RepositoryFiles) -> Result<StackPlan, StackError> {
    let manifest = read_toml(files, CARGO_TOML)?;
    let version = find_version(files)?;
    let tag = version::as_tag(&version.value).followed_by("-bookworm");
    let start = match read_web_command(files)? {
        Some(web) => web,
        None => find_program(&manifest)?,
    };
    let has_lock = files.has("Cargo.lock");
    let plan = StackPlan::new(Stack::Rust, Some(version), start)
        .with_dependencies("cargo", if has_lock { "Cargo.lock" } else { CARGO_TOML })
        .with_image("build_image", "rust", tag)
        .with_image("runtime_image", "debian", Word::fixed("bookworm-slim"))
        .with("has_lock", has_lock)
        .with("has_toolchain", files.first_of(&["rust-toolchain.toml", "rust-toolchain"]).is_some())
        .with("has_usual_layout", has_usual_layout(files, &manifest));
    Ok(plan)
}

/// Whether an empty `src/main.rs` is enough to build the dependencies: Cargo reads no other file of the repository then.
fn has_usual_layout(files: &RepositoryFiles, manifest: &Table) -> bool {
    let has_paths =
        ["workspace", "lib", "bin", "bench", "example", "test"].iter().any(|key| manifest.contains_key(*key));
    let has_own_build = manifest.get("package").and_then(|package| package.get("build")).is_some();
    let dependencies =
        ["dependencies", "build-dependencies", "dev-dependencies", "patch"].iter().filter_map(|key| manifest.get(*key));
    files.has("src") && !has_paths && !has_own_build && !dependencies.into_iter().any(has_local_path)
}

fn has_local_path(value: &Value) -> bool {
    value.as_table().is_some_and(|table| {
        table.iter().any(|(key, value)| (key == "path" && value.is_str()) || has_local_path(value))
    })
}

fn find_program(manifest: &Table) -> Result<Sourced, StackError> {
    let named = |table: &Value| table.get("name").and_then(Value::as_str).map(str::to_owned);
    let programs: Vec<String> =
        manifest.get("bin").and_then(Value::as_array).into_iter().flatten().filter_map(named).collect();
    let (name, origin) = match (toml_text(manifest, &["package", "default-run"]), programs.as_slice()) {
        (Some(name), _) => (name, "default-run in Cargo.toml"),
        (None, [only]) => (only.as_str(), "bin in Cargo.toml"),
        (None, []) => match toml_text(manifest, &["package", "name"]) {
            Some(name) => (name, "package in Cargo.toml"),
            None => return Err(no_program("a workspace has no program of its own")),
        },
        (None, _) => {
            return Err(StackError::Ambiguous { stack: Stack::Rust, what: "programs", names: programs.join(", ") });
        }
    };
    match is_word(name) {
        true => Ok(Sourced::from_file(name, origin)),
        false => Err(StackError::invalid_value(CARGO_TOML, name, "the name of a program")),
    }
}

fn no_program(reason: &str) -> StackError {
    StackError::NoStartCommand {
        stack: Stack::Rust,
        marker: CARGO_TOML.to_owned(),
        looked_for: format!("a line \"web:\" in a Procfile, and default-run, bin and package in Cargo.toml ({reason})"),
        example: "server --port $PORT",
    }
}

fn find_version(files: &RepositoryFiles) -> Result<Sourced, StackError> {
    for file in ["rust-toolchain.toml", "rust-toolchain"] {
        let Some(text) = files.text(file) else { continue };
        // The older file without a suffix may have the channel alone.
        let is_plain = file == "rust-toolchain" && !text.contains('[');
        let channel = match is_plain {
            true => Some(text.trim().to_owned()),
            false => toml_text(&read_toml(files, file)?, &["toolchain", "channel"]).map(str::to_owned),
        };
        return match channel.as_deref() {
            None | Some("stable") => Ok(Sourced::from_file(DEFAULT, file)),
            Some(channel) if version::is_version(channel) => version::check(file, channel, EXAMPLE),
            Some(channel) => Err(StackError::invalid_value(
                file,
                channel,
                format!("a released version such as {EXAMPLE}: for other toolchains add a Dockerfile"),
            )),
        };
    }
    let version = version::read_version(files, VERSION_FILES, EXAMPLE)?;
    Ok(version.unwrap_or_else(|| Sourced::default_of(DEFAULT)))
}
