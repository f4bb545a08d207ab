//! Charts of other operators: the templates that slipway comes with, and changes to them.

use tempfile::TempDir;

use super::Gateway;

/// A folder of templates; it ends with the value.
pub struct Templates(TempDir);

impl Templates {
    /// A copy of those that slipway comes with.
    pub fn copied() -> Self {
        let copy = Self(tempfile::tempdir().unwrap());
        for entry in std::fs::read_dir("templates").unwrap().map(Result::unwrap) {
            std::fs::copy(entry.path(), copy.0.path().join(entry.file_name())).unwrap();
        }
        copy
    }

    /// Replaces a text wherever it is.
    pub fn replaced(self, text: &str, replacement: &str) -> Self {
        for entry in std::fs::read_dir(self.0.path()).unwrap().map(Result::unwrap) {
            let template = std::fs::read_to_string(entry.path()).unwrap();
            std::fs::write(entry.path(), template.replace(text, replacement)).unwrap();
        }
        self
    }

    /// Adds one more file.
    pub fn with(self, name: &str, text: &str) -> Self {
        std::fs::write(self.0.path().join(name), text).unwrap();
        self
    }

    /// The setting that makes a gateway use them.
    pub fn setting(&self) -> (&str, &str) {
        ("SLIPWAY_TEMPLATES", self.0.path().to_str().unwrap())
    }

    /// A gateway that uses them.
    pub fn gateway(&self) -> Gateway {
        Gateway::with(&[self.setting()])
    }
}
