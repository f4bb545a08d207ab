//! The sets of templates: the one that is compiled in, and directories that take its place.

use std::io::Read;
use std::path::Path;

use super::error::{ChartError, ReadFault};
use super::template;

/// The files of the compiled-in set.
const FILES: [(&str, &str); 6] = [
    (NOTES, include_str!("../../templates/NOTES.txt")),
    ("_labels.yaml", include_str!("../../templates/_labels.yaml")),
    ("_probe.yaml", include_str!("../../templates/_probe.yaml")),
    ("_selector.yaml", include_str!("../../templates/_selector.yaml")),
    ("deployment.yaml", include_str!("../../templates/deployment.yaml")),
    ("service.yaml", include_str!("../../templates/service.yaml")),
];
/// The text for `helm get notes`, as in Helm's charts. It is no object.
pub(super) const NOTES: &str = "NOTES.txt";
const VERSION: &str = include_str!("../../templates/VERSION");
/// The version of a directory that does not say its own.
const UNVERSIONED: &str = "0.0.0";
/// The most files a set may have, and the most bytes each.
const MAX_FILES: usize = 100;
const MAX_FILE: u64 = 1 << 20;

/// A set of templates, parsed. Files whose name starts with `_` are for others to include; of every
/// other file the output becomes part of the release.
#[derive(Clone)]
pub struct Templates {
    pub(super) engine: tera::Tera,
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
    /// The set that is compiled in.
    ///
    /// # Errors
    /// None that a build which passed its tests could show.
    pub fn embedded() -> Result<Self, ChartError> {
        let files = FILES.map(|(name, content)| (name.to_owned(), content.to_owned()));
        Self::parse(files.into(), VERSION.trim())
    }

    /// The set in a directory: each `*.yaml` in it, `NOTES.txt`, and the set's version in a file `VERSION`.
    ///
    /// # Errors
    /// [`ChartError::Read`] if it cannot be read or has no template, [`ChartError::Templates`] if
    /// one has a syntax error.
    pub fn from_dir(directory: &Path) -> Result<Self, ChartError> {
        let fault = |source| ChartError::Read { path: directory.display().to_string(), source };
        let files = template_files(directory).map_err(fault)?;
        let version = match read_text(&directory.join("VERSION")) {
            Ok(version) => version,
            Err(ReadFault::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => UNVERSIONED.to_owned(),
            Err(source) => return Err(fault(source)),
        };
        let version = version.trim();
        if !is_version(version) {
            let reason = format!("VERSION says {version:?}, which is not a semantic version such as 1.0.0");
            return Err(fault(ReadFault::Content(reason)));
        }
        let set = Self::parse(files, version)?;
        if set.names.is_empty() {
            return Err(fault(ReadFault::Content("there is no *.yaml to render".to_owned())));
        }
        Ok(set)
    }

    /// The version of the set: the chart's version in `helm list`.
    pub fn version(&self) -> &str {
        &self.version
    }

    fn parse(files: Vec<(String, String)>, version: &str) -> Result<Self, ChartError> {
        let mut names: Vec<String> =
            files.iter().map(|(name, _)| name.clone()).filter(|name| !name.starts_with('_') && name != NOTES).collect();
        let has_notes = files.iter().any(|(name, _)| name == NOTES);
        names.sort();
        let engine = template::engine(files).map_err(ChartError::Templates)?;
        Ok(Self { engine, names, has_notes, version: version.to_owned() })
    }
}

/// Name and content of each `*.yaml` and of the notes, also where it is a link, as in a mounted ConfigMap.
fn template_files(directory: &Path) -> Result<Vec<(String, String)>, ReadFault> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != NOTES && (!name.ends_with(".yaml") || name.starts_with('.')) {
            continue;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !name.chars().all(plain) || files.len() == MAX_FILES {
            let reason = format!("{name:?}: at most {MAX_FILES} files, named with letters, digits, '.', '_' and '-'");
            return Err(ReadFault::Content(reason));
        }
        let content = read_text(&directory.join(&name))?;
        files.push((name, content));
    }
    Ok(files)
}

fn read_text(path: &Path) -> Result<String, ReadFault> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(ReadFault::Content(format!("{} is not a file", path.display())));
    }
    if file.take(MAX_FILE + 1).read_to_string(&mut text)? as u64 > MAX_FILE {
        return Err(ReadFault::Content(format!("{} has more than {MAX_FILE} bytes", path.display())));
    }
    Ok(text)
}

/// Whether helm, which reads chart versions as semantic ones, would accept it.
fn is_version(text: &str) -> bool {
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
    fn a_set_says_its_version() {
        assert!(is_version(Templates::embedded().unwrap().version()));
        for good in ["1.0.0", "0.10.2-rc.1+build"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0 x", "1.0.0-é"] {
            assert!(!is_version(bad), "{bad}");
        }
    }

    #[test]
    fn a_directory_takes_the_place_of_the_compiled_in_set() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, content: &str| std::fs::write(dir.path().join(name), content).unwrap();
        assert!(Templates::from_dir(dir.path()).is_err(), "an empty one does not");
        put("_part.yaml", "x");
        put("b.yaml", "{% include \"_part.yaml\" %}");
        put("a.yaml", "x");
        put("README.md", "{{");
        let set = Templates::from_dir(dir.path()).unwrap();
        assert_eq!(
            (set.version(), set.names.as_slice()),
            ("0.0.0", ["a.yaml".to_owned(), "b.yaml".to_owned()].as_slice())
        );
        put("VERSION", "2.1.0\n");
        assert_eq!(Templates::from_dir(dir.path()).unwrap().version(), "2.1.0");
        put("VERSION", "two");
        assert!(Templates::from_dir(dir.path()).is_err());
    }

    #[test]
    fn a_syntax_error_is_reported_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.yaml"), "kind: X\nname: {{ app\n").unwrap();
        let report = Templates::from_dir(dir.path()).unwrap_err().report();
        assert!(report.contains("a.yaml:2:") && report.contains("^"), "{report}");
    }

    #[test]
    fn templates_reach_neither_the_environment_nor_files() {
        for call in ["get_env(name=\"HOME\")", "now()", "load(path=\"/etc/passwd\")"] {
            let files = vec![("a.yaml".to_owned(), format!("{{{{ {call} }}}}"))];
            assert!(Templates::parse(files, "1.0.0").is_err(), "{call}");
        }
    }
}
