//! Template sets: the built-in one, or a directory that replaces it.

use std::io::Read;
use std::path::Path;

use super::error::{ChartError, TemplateSetError};
use super::escape::parse_templates;

const BUILT_IN_FILES: [(&str, &str); 12] = [
    (NOTES, include_str!("../../templates/NOTES.txt")),
    ("_container_security.yaml", include_str!("../../templates/_container_security.yaml")),
    ("_labels.yaml", include_str!("../../templates/_labels.yaml")),
    ("_pod_security.yaml", include_str!("../../templates/_pod_security.yaml")),
    ("_probe.yaml", include_str!("../../templates/_probe.yaml")),
    ("_selector.yaml", include_str!("../../templates/_selector.yaml")),
    ("cron_job.yaml", include_str!("../../templates/cron_job.yaml")),
    ("deployment.yaml", include_str!("../../templates/deployment.yaml")),
    ("horizontal_pod_autoscaler.yaml", include_str!("../../templates/horizontal_pod_autoscaler.yaml")),
    ("pod_disruption_budget.yaml", include_str!("../../templates/pod_disruption_budget.yaml")),
    ("release_job.yaml", include_str!("../../templates/release_job.yaml")),
    ("service.yaml", include_str!("../../templates/service.yaml")),
];
/// The text for `helm get notes`, as in Helm's charts. It is not an object.
pub(super) const NOTES: &str = "NOTES.txt";
const BUILT_IN_VERSION: &str = include_str!("../../templates/VERSION");
/// The version of a directory without a `VERSION` file.
const DEFAULT_VERSION: &str = "0.0.0";
const MAX_FILES: usize = 100;
const MAX_FILE_SIZE: u64 = 1 << 20;

/// A parsed template set. Other templates include the files whose names start with `_`; the output of every other file
/// becomes part of the release.
#[derive(Clone)]
pub struct Templates {
    pub(super) tera: tera::Tera,
    /// The templates to render, sorted.
    pub(super) names: Vec<String>,
    pub(super) has_notes: bool,
    version: String,
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Templates").field("names", &self.names).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Templates {
    /// The built-in set.
    ///
    /// # Errors
    /// [`ChartError::Templates`] on a syntax error. The tests parse the set, so a tested build has none.
    pub fn built_in() -> Result<Self, ChartError> {
        let files = BUILT_IN_FILES.map(|(name, content)| (name.to_owned(), content.to_owned()));
        Self::parse(files.into(), BUILT_IN_VERSION.trim())
    }

    /// The set in a directory: every `*.yaml`, `NOTES.txt`, and the set's version in `VERSION`.
    ///
    /// # Errors
    /// [`ChartError::ReadTemplates`] if the directory cannot be read or has no template, [`ChartError::Templates`] on a
    /// syntax error.
    pub fn from_dir(directory: &Path) -> Result<Self, ChartError> {
        let read_error = |source| ChartError::ReadTemplates { path: directory.display().to_string(), source };
        let files = read_template_files(directory).map_err(read_error)?;
        let version = match read_text(&directory.join("VERSION")) {
            Ok(version) => version,
            Err(TemplateSetError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                DEFAULT_VERSION.to_owned()
            }
            Err(source) => return Err(read_error(source)),
        };
        let version = version.trim();
        if !is_semantic_version(version) {
            let reason = format!("VERSION has {version:?}, which is not a semantic version such as 1.0.0");
            return Err(read_error(TemplateSetError::Invalid(reason)));
        }
        let set = Self::parse(files, version)?;
        if set.names.is_empty() {
            return Err(read_error(TemplateSetError::Invalid("the directory has no *.yaml to render".to_owned())));
        }
        Ok(set)
    }

    /// The chart's version in `helm list`.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    fn parse(files: Vec<(String, String)>, version: &str) -> Result<Self, ChartError> {
        let mut names: Vec<String> =
            files.iter().map(|(name, _)| name.clone()).filter(|name| !name.starts_with('_') && name != NOTES).collect();
        let has_notes = files.iter().any(|(name, _)| name == NOTES);
        names.sort();
        let tera = parse_templates(files).map_err(ChartError::Templates)?;
        Ok(Self { tera, names, has_notes, version: version.to_owned() })
    }
}

/// The name and content of each `*.yaml` and of the notes. Links are followed: the files of a mounted ConfigMap are links.
fn read_template_files(directory: &Path) -> Result<Vec<(String, String)>, TemplateSetError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != NOTES && (!name.ends_with(".yaml") || name.starts_with('.')) {
            continue;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !name.chars().all(plain) || files.len() == MAX_FILES {
            let reason = format!(
                "{name:?}: at most {MAX_FILES} files are allowed, with letters, digits, '.', '_' and '-' in their names"
            );
            return Err(TemplateSetError::Invalid(reason));
        }
        let content = read_text(&directory.join(&name))?;
        files.push((name, content));
    }
    Ok(files)
}

fn read_text(path: &Path) -> Result<String, TemplateSetError> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(TemplateSetError::Invalid(format!("{} is not a file", path.display())));
    }
    if file.take(MAX_FILE_SIZE + 1).read_to_string(&mut text)? as u64 > MAX_FILE_SIZE {
        return Err(TemplateSetError::Invalid(format!("{} has more than {MAX_FILE_SIZE} bytes", path.display())));
    }
    Ok(text)
}

/// Helm requires chart versions to be semantic versions.
fn is_semantic_version(text: &str) -> bool {
    let (core, suffix) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
    let number = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    core.split('.').count() == 3 && core.split('.').all(number) && suffix.len() != 1 && suffix.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_semantic_versions_are_accepted() {
        assert!(is_semantic_version(Templates::built_in().unwrap().version()));
        for good in ["1.0.0", "0.10.2-rc.1+build"] {
            assert!(is_semantic_version(good), "{good}");
        }
        for bad in ["", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0 x", "1.0.0-é"] {
            assert!(!is_semantic_version(bad), "{bad}");
        }
    }

    #[test]
    fn a_directory_replaces_the_built_in_set() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| std::fs::write(dir.path().join(name), content).unwrap();
        assert!(Templates::from_dir(dir.path()).is_err(), "an empty directory is refused");
        write("_part.yaml", "x");
        write("b.yaml", "{% include \"_part.yaml\" %}");
        write("a.yaml", "x");
        write("README.md", "{{");
        let set = Templates::from_dir(dir.path()).unwrap();
        assert_eq!(
            (set.version(), set.names.as_slice()),
            ("0.0.0", ["a.yaml".to_owned(), "b.yaml".to_owned()].as_slice())
        );
        write("VERSION", "2.1.0\n");
        assert_eq!(Templates::from_dir(dir.path()).unwrap().version(), "2.1.0");
        write("VERSION", "two");
        assert!(Templates::from_dir(dir.path()).is_err());
    }

    #[test]
    fn a_syntax_error_is_reported_with_its_position() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.yaml"), "kind: X\nname: {{ app\n").unwrap();
        let report = Templates::from_dir(dir.path()).unwrap_err().report();
        assert!(report.contains("a.yaml:2:") && report.contains("^"), "{report}");
    }
}
