//! Changed copies of slipway's templates, as operators use them with `--templates`.

use std::path::Path;

use tempfile::TempDir;

use super::Gateway;

/// A directory of templates.
pub struct Templates(TempDir);

impl Templates {
    /// A copy of the built-in templates of an app's objects, without the directory of generated Dockerfiles.
    pub fn copy() -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        let entries = std::fs::read_dir("templates").unwrap().map(Result::unwrap);
        for entry in entries.filter(|entry| entry.file_type().unwrap().is_file()) {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        copy
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Replaces a text in every file.
    pub fn replace(self, text: &str, replacement: &str) -> Self {
        for entry in std::fs::read_dir(self.path()).unwrap().map(Result::unwrap) {
            let template = std::fs::read_to_string(entry.path()).unwrap();
            std::fs::write(entry.path(), template.replace(text, replacement)).unwrap();
        }
        self
    }

    /// Adds a file.
    pub fn with_file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path().join(name), text).unwrap();
        self
    }

    /// The setting for a gateway that uses the templates.
    pub fn setting(&self) -> (&str, &str) {
        ("SLIPWAY_TEMPLATES", self.path().to_str().unwrap())
    }

    /// Starts a gateway that uses the templates.
    pub fn start_gateway(&self) -> Gateway {
        Gateway::with(&[self.setting()])
    }
}
