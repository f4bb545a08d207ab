//! Java with Maven or Gradle.

use std::sync::LazyLock;

use regex::Regex;

use super::error::StackError;
use super::files::RepositoryFiles;
use super::plan::{Sourced, StackPlan};
use super::procfile::read_web_command;
use super::stack::Stack;
use super::version::{self, VersionFile};
use super::word::Word;

const DEFAULT: &str = "21";
const VERSION_FILES: &[VersionFile] = &[
    VersionFile::Plain(".java-version", &["openjdk-", "temurin-"]),
    VersionFile::Plain(".sdkmanrc", &["java="]),
    VersionFile::ToolVersions(&["java"]),
];
/// How the port reaches frameworks that do not read `PORT`.
const START: &str = "java -Dserver.port=$PORT -Dquarkus.http.port=$PORT -jar /app/app.jar";

pub(super) fn plan(files: &RepositoryFiles, marker: &str) -> Result<StackPlan, StackError> {
    let build_file = files.text(marker).unwrap_or_default();
    let version = find_version(files, marker, build_file)?;
    let web = read_web_command(files)?;
    let has_web = web.is_some();
    let start = match web {
        Some(web) => web,
        None if makes_runnable_jar(build_file) => Sourced::from_file(START, marker),
        None => {
            return Err(StackError::NoStartCommand {
                stack: Stack::Java,
                marker: marker.to_owned(),
                looked_for: format!(
                    "a line \"web:\" in a Procfile, and Spring Boot, Quarkus, Micronaut, Shadow or a main class in {marker}"
                ),
                example: "java -cp target/classes:target/dependency/* com.example.Main",
            });
        }
    };
    let tag = version::as_tag(&version.value);
    let is_maven = marker == "pom.xml";
    let build_tag =
        if is_maven { format!("3-eclipse-temurin-{}", version.value) } else { format!("8-jdk{}", version.value) };
    let build_tag = Word::new(build_tag).unwrap_or_else(|| Word::fixed("latest"));
    let plan = StackPlan::new(Stack::Java, Some(version), start)
        .with_dependencies(if is_maven { "maven" } else { "gradle" }, marker)
        .with_image("build_image", if is_maven { "maven" } else { "gradle" }, build_tag)
        .with_image("runtime_image", "eclipse-temurin", tag.followed_by("-jre"))
        .with("is_maven", is_maven)
        .with("is_single_module", is_maven && !build_file.contains("<modules>"))
        .with("has_settings", files.has(".mvn"))
        .with("has_wrapper", files.has("gradlew"))
        .with("has_web", has_web);
    Ok(plan)
}

fn makes_runnable_jar(build_file: &str) -> bool {
    ["spring-boot", "springframework.boot", "quarkus", "micronaut", "shadow", "mainClass", "Main-Class", "ktor"]
        .iter()
        .any(|word| build_file.contains(word))
}

/// The major version; 1.8 is 8.
fn find_version(files: &RepositoryFiles, marker: &str, build_file: &str) -> Result<Sourced, StackError> {
    let property = files.text("system.properties").and_then(|text| {
        let values =
            text.lines().filter_map(|line| line.trim().strip_prefix("java.runtime.version")?.trim().strip_prefix('='));
        values.map(str::trim).next()
    });
    let found = match property {
        Some(text) => version::check("system.properties", text, DEFAULT)?,
        None => match version::read_version(&without_vendors(files), VERSION_FILES, DEFAULT)? {
            Some(version) => version,
            None => match build_version(build_file) {
                Some(text) => version::check(marker, text, DEFAULT)?,
                None => return Ok(Sourced::default_of(DEFAULT)),
            },
        },
    };
    let number = found.value.strip_prefix("1.").unwrap_or(&found.value);
    Ok(Sourced { value: version::leading(number, 1), origin: found.origin })
}

/// SDKMAN's file with the vendor after each version removed.
fn without_vendors(files: &RepositoryFiles) -> RepositoryFiles {
    let Some(text) = files.text(".sdkmanrc") else { return files.clone() };
    let line = text.lines().map(str::trim).find(|line| line.starts_with("java=")).unwrap_or_default();
    let version = line.split('-').next().unwrap_or_default().to_owned();
    files.with_text(".sdkmanrc", version)
}

/// The release that Maven or Gradle compiles for.
fn build_version(build_file: &str) -> Option<&str> {
    static VERSION: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let maven = r"<(?:maven\.compiler\.release|java\.version|maven\.compiler\.target)>\s*([0-9.]+)\s*<";
        let gradle = r"JavaLanguageVersion\.of\(\s*([0-9]+)\s*\)|JavaVersion\.VERSION_(?:1_)?([0-9]+)|jvmToolchain\(\s*([0-9]+)\s*\)";
        Regex::new(&format!("{maven}|{gradle}")).ok()
    });
    let captures = VERSION.as_ref()?.captures(build_file)?;
    captures.iter().skip(1).flatten().map(|group| group.as_str()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_build_file() {
        for (text, expected) in [
            ("<java.version>17</java.version>", Some("17")),
            ("<maven.compiler.release> 21 </maven.compiler.release>", Some("21")),
            ("languageVersion = JavaLanguageVersion.of(17)", Some("17")),
            ("sourceCompatibility = JavaVersion.VERSION_1_8", Some("8")),
            ("kotlin { jvmToolchain(21) }", Some("21")),
            ("<java.version>${v}</java.version>", None),
        ] {
            assert_eq!(build_version(text), expected, "{text}");
        }
    }
}
