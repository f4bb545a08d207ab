//! Python: pip, uv, Poetry, pipenv.

use super::error::StackError;
use super::files::RepositoryFiles;
use super::manifest::{mentions, read_toml, toml_text};
use super::plan::{Sourced, StackPlan};
use super::python_start::find_start;
use super::range;
use super::stack::Stack;
use super::version::{self, VersionFile};

const PYPROJECT: &str = "pyproject.toml";
const PIPFILE: &str = "Pipfile";
const REQUIREMENTS: &str = "requirements.txt";
const DEFAULT_MINOR: u32 = 13;
const VERSION_FILES: &[VersionFile] = &[
    VersionFile::Plain(".python-version", &["python-", "cpython-", "cpython@"]),
    VersionFile::Plain("runtime.txt", &["python-"]),
    VersionFile::ToolVersions(&["python"]),
];
/// Libraries that packages load at run time: a package of PyPI, and Debian's package of the library.
const LIBRARIES: &[(&str, &str)] =
    &[("psycopg2", "libpq5"), ("psycopg", "libpq5"), ("mysqlclient", "libmariadb3"), ("pyodbc", "unixodbc")];

/// The tool that installs the dependencies, and its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Uv,
    Poetry,
    Pipenv,
    Pip,
    Project,
    Nothing,
}

pub(super) fn plan(files: &RepositoryFiles, marker: &str) -> Result<StackPlan, StackError> {
    let pyproject = read_toml(files, PYPROJECT)?;
    let pipfile = read_toml(files, PIPFILE)?;
    let tool = find_tool(files, &pyproject)?;
    let dependencies = read_dependencies(files);
    let start = find_start(files, marker, &dependencies)?;
    let version = find_version(files, &pyproject, &pipfile)?;
    let tag = version::as_tag(&version.value);
    let mut plan = StackPlan::new(Stack::Python, Some(version), start.command)
        .with_image("build_image", "python", tag.clone())
        .with_image("runtime_image", "python", tag.followed_by("-slim"))
        .with("server", start.missing_server);
    if !start.missing_server.is_empty() {
        let server = start.missing_server;
        plan.notes.push(format!("{server} is not among the dependencies: its newest version is installed"));
    }
    Ok(with_installation(plan, files, tool, &dependencies))
}

/// The plan with the template's variables about the dependencies.
fn with_installation(plan: StackPlan, files: &RepositoryFiles, tool: Tool, dependencies: &str) -> StackPlan {
    let requirements = files.text(REQUIREMENTS).unwrap_or_default();
    let plan = plan
        .with("tool", tool.variable())
        .with("needs_sources", tool == Tool::Pip && has_local_paths(requirements))
        .with("has_lock", files.has("poetry.lock"))
        .with("collects_static", mentions(dependencies, "whitenoise") && files.has("manage.py"))
        .with("python_path", if files.has("src") { "/app:/app/src" } else { "/app" })
        .with("packages", libraries(dependencies));
    match tool {
        Tool::Uv => plan.with_dependencies("uv", "uv.lock"),
        Tool::Poetry => plan.with_dependencies("poetry", PYPROJECT),
        Tool::Pipenv => plan.with_dependencies("pipenv", "Pipfile.lock"),
        Tool::Pip => plan.with_dependencies("pip", REQUIREMENTS),
        Tool::Project => plan.with_dependencies("pip", PYPROJECT),
        Tool::Nothing => plan,
    }
}

/// The files that list dependencies, without their comments.
fn read_dependencies(files: &RepositoryFiles) -> String {
    let texts = [REQUIREMENTS, PYPROJECT, PIPFILE].iter().filter_map(|name| files.text(name));
    let lines = texts.flat_map(str::lines).map(|line| line.split('#').next().unwrap_or_default());
    lines.fold(String::new(), |text, line| text + line + "\n")
}

impl Tool {
    fn variable(self) -> &'static str {
        match self {
            Self::Uv => "uv",
            Self::Poetry => "poetry",
            Self::Pipenv => "pipenv",
            Self::Pip => "pip",
            Self::Project => "project",
            Self::Nothing => "none",
        }
    }
}

fn find_tool(files: &RepositoryFiles, pyproject: &toml::Table) -> Result<Tool, StackError> {
    let has_poetry = pyproject.get("tool").and_then(|tool| tool.get("poetry")).is_some();
    let tool = match () {
        () if files.has("uv.lock") => Tool::Uv,
        () if files.has("poetry.lock") => Tool::Poetry,
        () if files.has("Pipfile.lock") => Tool::Pipenv,
        () if files.has(REQUIREMENTS) => Tool::Pip,
        () if files.has(PIPFILE) => Tool::Pipenv,
        () if has_poetry => Tool::Poetry,
        () if pyproject.contains_key("project") => Tool::Project,
        () => Tool::Nothing,
    };
    let missing = |found, missing, remedy| Err(StackError::MissingFile { found, missing, remedy });
    match tool {
        Tool::Uv | Tool::Poetry if !files.has(PYPROJECT) => {
            missing("uv.lock or poetry.lock", PYPROJECT, "create the project with uv or Poetry")
        }
        Tool::Pipenv if !files.has("Pipfile.lock") => missing(PIPFILE, "Pipfile.lock", "run `pipenv lock`"),
        tool => Ok(tool),
    }
}

/// Whether the requirements name other files of the repository, which the installation then needs.
fn has_local_paths(requirements: &str) -> bool {
    let lines = requirements.lines().map(str::trim);
    lines.into_iter().any(|line| {
        ["-r", "-c", "-e", "--", ".", "file:"].iter().any(|start| line.starts_with(start) && !is_index(line))
    })
}

fn is_index(line: &str) -> bool {
    [
        "--index-url",
        "--extra-index-url",
        "--find-links",
        "--hash",
        "--pre",
        "--no-binary",
        "--only-binary",
        "--trusted-host",
    ]
    .iter()
    .any(|option| line.starts_with(option))
}

fn libraries(dependencies: &str) -> Vec<&'static str> {
    let mut packages: Vec<&str> =
        LIBRARIES.iter().filter(|(package, _)| mentions(dependencies, package)).map(|(_, library)| *library).collect();
    packages.dedup();
    packages
}

fn find_version(
    files: &RepositoryFiles,
    pyproject: &toml::Table,
    pipfile: &toml::Table,
) -> Result<Sourced, StackError> {
    if let Some(version) = version::read_version(files, VERSION_FILES, "3.13")? {
        return Ok(version);
    }
    if let Some(text) = toml_text(pipfile, &["requires", "python_version"]) {
        return version::check(PIPFILE, text, "3.13");
    }
    let range = toml_text(pyproject, &["project", "requires-python"])
        .or_else(|| toml_text(pyproject, &["tool", "poetry", "dependencies", "python"]));
    match range {
        Some(range) => {
            let minor = choose_minor(range).ok_or_else(|| {
                StackError::invalid_value(PYPROJECT, range, "a range of Python 3 versions such as >=3.11")
            })?;
            Ok(Sourced::from_file(format!("3.{minor}"), PYPROJECT))
        }
        None => Ok(Sourced::default_of(format!("3.{DEFAULT_MINOR}"))),
    }
}

/// The minor version of Python 3 for a range. `^3.11` and `~=3.11` allow all later ones of Python 3.
fn choose_minor(range: &str) -> Option<u32> {
    let comparators: Vec<String> =
        range.split([',', ' ']).filter(|part| !part.is_empty()).map(strip_major).collect::<Option<_>>()?;
    range::choose(&comparators.join(" "), DEFAULT_MINOR)
}

/// A comparator without the `3.` of its version.
fn strip_major(comparator: &str) -> Option<String> {
    let version = comparator.trim_start_matches(['<', '>', '=', '^', '~', '!']);
    let operator = comparator.get(..comparator.len() - version.len())?;
    if operator == "!=" || (operator.starts_with('<') && version.starts_with('4')) {
        return Some("*".to_owned());
    }
    let rest = match version.strip_prefix('3')? {
        "" => "*",
        rest => rest.strip_prefix('.')?,
    };
    Some(range::minor_comparator(operator, rest, "~="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_version_is_used_if_the_range_allows_it() {
        for (range, expected) in [
            (">=3.9", Some(13)),
            (">=3.9,<4.0", Some(13)),
            (">=3.9, <3.12", Some(11)),
            ("^3.10", Some(13)),
            ("~=3.11", Some(13)),
            ("~=3.11.2", Some(11)),
            ("~3.11", Some(11)),
            ("==3.12.*", Some(12)),
            ("3.10", Some(10)),
            (">=3", Some(13)),
            (">=3.14", Some(14)),
            (">=2.7", None),
            ("three", None),
        ] {
            assert_eq!(choose_minor(range), expected, "{range}");
        }
    }
}
