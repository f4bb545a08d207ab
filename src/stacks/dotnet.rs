//! .NET.

use std::sync::LazyLock;

use regex::Regex;

use super::error::StackError;
use super::files::{RepositoryFiles, has_marker};
use super::manifest::{json_text, read_json};
use super::plan::{Sourced, StackPlan};
use super::procfile::read_web_command;
use super::stack::Stack;
use super::version;

const DEFAULT: &str = "9.0";

pub(super) fn plan(files: &RepositoryFiles) -> Result<StackPlan, StackError> {
    let projects: Vec<&str> = files.names().filter(|name| has_marker(Stack::DotNet, name)).collect();
    let [project] = projects.as_slice() else {
        return Err(StackError::Ambiguous { stack: Stack::DotNet, what: "projects", names: projects.join(", ") });
    };
    let text = files.text(project).unwrap_or_default();
    let version = find_version(files, project, text)?;
    let tag = version::as_tag(&version.value);
    let start = match read_web_command(files)? {
        Some(web) => web,
        None => Sourced::from_file(start_command(project, text), *project),
    };
    let plan = StackPlan::new(Stack::DotNet, Some(version), start)
        .with_dependencies("dotnet restore", project)
        .with_image("build_image", "mcr.microsoft.com/dotnet/sdk", tag.clone())
        .with_image("runtime_image", "mcr.microsoft.com/dotnet/aspnet", tag)
        .with("suffix", if project.ends_with(".fsproj") { ".fsproj" } else { ".csproj" })
        .with("needs_sources", text.contains("ProjectReference") || files.has("Directory.Packages.props"));
    Ok(plan)
}

fn start_command(project: &str, text: &str) -> String {
    let stem = project.rsplit_once('.').map_or(project, |(stem, _)| stem);
    let assembly = element(text, "AssemblyName").unwrap_or(stem);
    let library = format!("/app/{assembly}.dll");
    format!("dotnet {} --urls http://0.0.0.0:$PORT", shell_words::quote(&library))
}

fn find_version(files: &RepositoryFiles, project: &str, text: &str) -> Result<Sourced, StackError> {
    let sdk = read_json(files, "global.json")?;
    let found = match (element(text, "TargetFramework"), json_text(&sdk, &["sdk", "version"])) {
        (Some(framework), _) => {
            let number = framework.strip_prefix("net").unwrap_or(framework);
            version::check(project, number, "net9.0")?
        }
        (None, Some(number)) => version::check("global.json", number, "9.0.100")?,
        (None, None) => return Ok(Sourced::default_of(DEFAULT)),
    };
    Ok(Sourced { value: version::leading(&found.value, 2), origin: found.origin })
}

/// The text of the first element with this name, if it is one line of plain text.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    static ELEMENT: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"<([A-Za-z]+)>\s*([A-Za-z0-9._-]+)\s*</").ok());
    let found = ELEMENT
        .as_ref()?
        .captures_iter(text)
        .find(|captures| captures.get(1).is_some_and(|found| found.as_str() == name));
    found?.get(2).map(|value| value.as_str())
}
