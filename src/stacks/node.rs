//! Node.js: npm, pnpm, Yarn and Bun; servers, and sites that a build leaves as static files.

use serde_json::Value;

use super::error::StackError;
use super::files::RepositoryFiles;
use super::manifest::{json_text, read_json};
use super::node_static::find_site;
use super::plan::{Sourced, StackPlan};
use super::procfile::{checked, read_web_command};
use super::range;
use super::stack::Stack;
use super::version::{self, VersionFile};
use super::word::Word;

pub(super) const PACKAGE_JSON: &str = "package.json";
const DEFAULT_MAJOR: u32 = 24;
const EXAMPLE: &str = "24";
const TOOL_VERSIONS: &[VersionFile] = &[VersionFile::ToolVersions(&["nodejs", "node"])];
/// Names of long-term-support lines, as `.nvmrc` may have them.
const CODENAMES: [(&str, u32); 5] = [("gallium", 16), ("hydrogen", 18), ("iron", 20), ("jod", 22), ("krypton", 24)];
/// Files with which a server usually begins.
const MAIN_FILES: [&str; 6] = ["server.js", "index.js", "app.js", "main.js", "server.mjs", "index.mjs"];

/// A package manager, and the lock file by which it is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PackageManager {
    /// The variable of the template: `npm`, `pnpm`, `yarn`, `berry` or `bun`.
    name: &'static str,
    lock: Option<&'static str>,
    /// The package that has to be installed first.
    package: Option<Word>,
}

pub(super) fn plan(files: &RepositoryFiles) -> Result<StackPlan, StackError> {
    let package = read_json(files, PACKAGE_JSON)?;
    let manager = find_manager(files, &package)?;
    let version = find_version(files, &package)?;
    let web = read_web_command(files)?;
    let site = if web.is_some() { None } else { find_site(files, &package) };
    let start = match (web, site) {
        (Some(web), _) => web,
        (None, Some(site)) => Sourced::from_file(super::static_files::START, site.reason),
        (None, None) => find_start(files, &package, &manager)?,
    };
    let tag = version::as_tag(&version.value);
    let plan = StackPlan::new(Stack::Node, Some(version), start)
        .with_image("build_image", "node", tag.clone())
        .with_image("runtime_image", "node", tag.followed_by("-slim"))
        .with_image("site_image", "nginx", Word::fixed(super::static_files::NGINX_TAG))
        .with("is_site", site.is_some())
        .with("site_root", site.map_or("", |site| site.directory))
        .with("falls_back", site.is_some_and(|site| site.is_single_page));
    Ok(with_installation(plan, files, &package, manager))
}

/// The plan with the template's variables about the dependencies and the build.
fn with_installation(plan: StackPlan, files: &RepositoryFiles, package: &Value, manager: PackageManager) -> StackPlan {
    let has_build = json_text(package, &["scripts", "build"]).is_some();
    let needs_sources = package.get("workspaces").is_some() || files.has("pnpm-workspace.yaml") || files.has("prisma");
    let plan = plan
        .with_dependencies(manager.program(), manager.lock.unwrap_or(PACKAGE_JSON))
        .with("manager", manager.name)
        .with("program", manager.program())
        .with("has_lock", manager.lock.is_some())
        .with("lock", manager.lock.unwrap_or_default())
        .with("has_npmrc", files.has(".npmrc"))
        .with("has_yarnrc", files.has(".yarnrc.yml"))
        .with("has_yarn_directory", files.has(".yarn"))
        .with("needs_sources", needs_sources)
        .with("has_build", has_build)
        .with("copies_build", has_build || needs_sources || manager.name == "berry");
    match manager.package {
        Some(package) => plan.with("manager_package", package),
        None => plan,
    }
}

impl PackageManager {
    /// Yarn's newer versions have the same program as its first one.
    fn program(&self) -> &'static str {
        if self.name == "berry" { "yarn" } else { self.name }
    }
}

fn find_manager(files: &RepositoryFiles, package: &Value) -> Result<PackageManager, StackError> {
    if let Some(text) = json_text(package, &["packageManager"]) {
        return named_manager(files, text)
            .ok_or_else(|| StackError::invalid_value(PACKAGE_JSON, text, "a package manager such as pnpm@10.4.1"));
    }
    let name = match files.first_of(&["pnpm-lock.yaml", "bun.lock", "bun.lockb", "yarn.lock"]) {
        Some("pnpm-lock.yaml") => "pnpm",
        Some("yarn.lock") if files.has(".yarnrc.yml") => "berry",
        Some("yarn.lock") => "yarn",
        Some(_) => "bun",
        None => "npm",
    };
    Ok(manager(files, name, None))
}

/// The value of `packageManager`: a name, `@`, a version, and possibly a hash.
fn named_manager(files: &RepositoryFiles, text: &str) -> Option<PackageManager> {
    let (name, version) = text.split_once('@')?;
    let version = version.split('+').next()?;
    let is_plain = version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    let version = Some(version).filter(|version| is_plain && version::major(version).is_some())?;
    let name = match name {
        "npm" => "npm",
        "pnpm" => "pnpm",
        "yarn" if version::major(version)? >= 2 => "berry",
        "yarn" => "yarn",
        "bun" => "bun",
        _ => return None,
    };
    Some(manager(files, name, Some(version)))
}

/// `version` has letters, digits, dots and hyphens only.
fn manager(files: &RepositoryFiles, name: &'static str, version: Option<&str>) -> PackageManager {
    let (locks, package, usual): (&[&'static str], _, _) = match name {
        "pnpm" => (&["pnpm-lock.yaml"], Some("pnpm"), "10"),
        "yarn" => (&["yarn.lock"], Some("yarn"), "1"),
        "berry" => (&["yarn.lock"], Some("@yarnpkg/cli-dist"), "4"),
        "bun" => (&["bun.lock", "bun.lockb"], Some("bun"), "1"),
        _ => (&["package-lock.json", "npm-shrinkwrap.json"], version.map(|_| "npm"), ""),
    };
    let package = package.and_then(|package| Word::new(format!("{package}@{}", version.unwrap_or(usual))));
    PackageManager { name, lock: files.first_of(locks), package }
}

fn find_version(files: &RepositoryFiles, package: &Value) -> Result<Sourced, StackError> {
    for file in [".nvmrc", ".node-version"] {
        let line = files
            .text(file)
            .and_then(|text| text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')));
        if let Some(line) = line {
            return named_version(line)
                .map(|version| Sourced::from_file(version, file))
                .map_or_else(|| version::check(file, line, EXAMPLE), Ok);
        }
    }
    if let Some(version) = version::read_version(files, TOOL_VERSIONS, EXAMPLE)? {
        return Ok(version);
    }
    let Some(range) = json_text(package, &["engines", "node"]) else {
        return Ok(Sourced::default_of(DEFAULT_MAJOR.to_string()));
    };
    let origin = "engines in package.json";
    let exact = range.strip_prefix('v').unwrap_or(range);
    if version::is_version(exact) && exact.matches('.').count() == 2 {
        return Ok(Sourced::from_file(exact, origin));
    }
    let major = range::choose(range, DEFAULT_MAJOR).ok_or_else(|| {
        StackError::invalid_value(PACKAGE_JSON, range, "a range of Node.js versions such as >=22 (engines)")
    })?;
    Ok(Sourced::from_file(major.to_string(), origin))
}

/// The version behind one of nvm's names; `None` for a number.
fn named_version(name: &str) -> Option<String> {
    match name.strip_prefix("lts/") {
        Some("*") => Some(DEFAULT_MAJOR.to_string()),
        Some(line) => {
            let line = line.to_ascii_lowercase();
            CODENAMES.iter().find(|(codename, _)| *codename == line).map(|(_, major)| major.to_string())
        }
        None => matches!(name, "node" | "current" | "latest" | "stable").then(|| "current".to_owned()),
    }
}

fn find_start(files: &RepositoryFiles, package: &Value, manager: &PackageManager) -> Result<Sourced, StackError> {
    let script = |name: &str| json_text(package, &["scripts", name]);
    if let Some(text) = script("start") {
        let start = checked(PACKAGE_JSON, text)?;
        // Yarn's Plug'n'Play has no directory of programs, and hooks around the script need the package manager.
        let needs_manager = manager.name == "berry" || script("prestart").is_some() || script("poststart").is_some();
        let command = if needs_manager { format!("{} run start", manager.program()) } else { start.value };
        return Ok(Sourced::from_file(command, "scripts.start in package.json"));
    }
    if package.get("dependencies").is_some_and(|dependencies| dependencies.get("next").is_some()) {
        return Ok(Sourced::from_file("next start", "next in package.json"));
    }
    if let Some(main) = json_text(package, &["main"]).filter(|main| files.has(main.trim_start_matches("./"))) {
        let main = shell_words::quote(checked(PACKAGE_JSON, main)?.value.as_str()).into_owned();
        return Ok(Sourced::from_file(format!("node {main}"), "main in package.json"));
    }
    match files.first_of(&MAIN_FILES) {
        Some(file) => Ok(Sourced::from_file(format!("node {file}"), file)),
        None => Err(StackError::NoStartCommand {
            stack: Stack::Node,
            marker: PACKAGE_JSON.to_owned(),
            looked_for: format!(
                "a line \"web:\" in a Procfile, the script \"start\" and \"main\" in package.json, and {}",
                MAIN_FILES.join(", ")
            ),
            example: "node server.js",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_versions_are_resolved() {
        for (name, expected) in [
            ("lts/*", Some("24")),
            ("lts/Jod", Some("22")),
            ("node", Some("current")),
            ("lts/none", None),
            ("22", None),
        ] {
            assert_eq!(named_version(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_package_manager_is_named_with_its_version() {
        let files = RepositoryFiles::new(vec![], []);
        for (text, expected) in [
            ("pnpm@9.1.0+sha256.abc", Some("pnpm@9.1.0")),
            ("yarn@4.5.0", Some("@yarnpkg/cli-dist@4.5.0")),
            ("yarn@1.22.22", Some("yarn@1.22.22")),
            ("npm@10.9.0", Some("npm@10.9.0")),
            ("pnpm", None),
            ("pnpm@latest", None),
            ("pnpm@9 && rm", None),
            ("other@1.0.0", None),
        ] {
            let found = named_manager(&files, text).and_then(|manager| manager.package);
            assert_eq!(found.as_ref().map(Word::as_str), expected, "{text}");
        }
    }
}
