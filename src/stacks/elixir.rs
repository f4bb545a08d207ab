//! Elixir with Mix: a release, which Phoenix starts as a server.

use std::sync::LazyLock;

use regex::Regex;

use super::error::StackError;
use super::files::RepositoryFiles;
use super::plan::{Sourced, StackPlan};
use super::procfile::read_web_command;
use super::stack::Stack;
use super::version::{self, VersionFile};

const MIX: &str = "mix.exs";
const DEFAULT: &str = "1.18";
const VERSION_FILES: &[VersionFile] = &[VersionFile::ToolVersions(&["elixir"])];

pub(super) fn plan(files: &RepositoryFiles) -> Result<StackPlan, StackError> {
    let mix = files.text(MIX).unwrap_or_default();
    let version = version::read_version(files, VERSION_FILES, DEFAULT)?.unwrap_or_else(|| Sourced::default_of(DEFAULT));
    let tag = version::as_tag(&version.value);
    let web = read_web_command(files)?;
    let has_web = web.is_some();
    let start = match (web, find_app(mix)) {
        (Some(web), _) => web,
        (None, Some(app)) => Sourced::from_file(format!("/app/bin/{app} start"), format!("app in {MIX}")),
        (None, None) => {
            return Err(StackError::NoStartCommand {
                stack: Stack::Elixir,
                marker: MIX.to_owned(),
                looked_for: "a line \"web:\" in a Procfile, and \"app: :name\" in mix.exs".to_owned(),
                example: "/app/bin/myapp start",
            });
        }
    };
    let plan = StackPlan::new(Stack::Elixir, Some(version), start)
        .with_dependencies("mix", if files.has("mix.lock") { "mix.lock" } else { MIX })
        .with_image("build_image", "elixir", tag.clone())
        .with_image("runtime_image", "elixir", tag.followed_by("-slim"))
        .with("has_web", has_web)
        .with("has_lock", files.has("mix.lock"))
        .with("has_config", files.has("config"))
        .with("has_assets", mix.contains("\"assets.deploy\""))
        .with("needs_sources", mix.contains("path:") || files.has("apps"));
    Ok(plan)
}

/// The name of the application, and so of its release.
fn find_app(mix: &str) -> Option<&str> {
    static APP: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\bapp:\s*:([a-z][a-z0-9_]*)").ok());
    APP.as_ref()?.captures(mix)?.get(1).map(|name| name.as_str())
}
