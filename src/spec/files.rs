//! The files that describe an app.

use std::fmt;
use std::sync::Arc;

use super::node::FileName;

/// The most bytes of one file.
pub const MAX_FILE_SIZE: u64 = 1 << 20;
const PROCFILE: &str = "Procfile";
const APP_JSON: &str = "app.json";
const SLIPWAY_YAML: &str = "slipway.yaml";

/// The name of an environment, such as `staging`: it selects a file `slipway.staging.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment(String);

impl std::str::FromStr for Environment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let valid = (1..=40).contains(&text.len()) && text.chars().all(allowed) && !text.starts_with('-');
        valid
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| format!("invalid environment {text:?}: use at most 40 lower-case letters, digits and '-'"))
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The names of the files, at the root of the repository; a later file wins.
pub fn file_names(environment: Option<&Environment>) -> Vec<String> {
    let common = [PROCFILE, APP_JSON, SLIPWAY_YAML].map(str::to_owned);
    common.into_iter().chain(environment.map(environment_file)).collect()
}

/// The name of the file of an environment.
pub fn environment_file(environment: &Environment) -> String {
    format!("slipway.{environment}.yaml")
}

/// The right name for a file that was probably meant to be one of an app's files.
pub fn misnamed(name: &str) -> Option<&'static str> {
    const MISNAMED: [(&str, &str); 4] =
        [("procfile", PROCFILE), ("app.json", APP_JSON), ("slipway.yml", SLIPWAY_YAML), ("slipway.yaml", SLIPWAY_YAML)];
    let found = MISNAMED.iter().find(|(similar, right)| name.eq_ignore_ascii_case(similar) && name != *right);
    found.map(|(_, right)| *right)
}

/// The format of a file, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Procfile,
    AppJson,
    SlipwayYaml,
}

/// A file that exists.
#[derive(Debug, Clone)]
pub struct SpecFile {
    pub(super) name: FileName,
    pub(super) content: Vec<u8>,
}

impl SpecFile {
    /// `name` is one of [`file_names`], or the path of a file in the format of `slipway.yaml`.
    pub fn new(name: &str, content: Vec<u8>) -> Self {
        Self { name: Arc::from(name), content }
    }

    pub(super) fn format(&self) -> Format {
        match &*self.name {
            PROCFILE => Format::Procfile,
            APP_JSON => Format::AppJson,
            _ => Format::SlipwayYaml,
        }
    }

    pub(super) fn is_procfile(&self) -> bool {
        self.format() == Format::Procfile
    }
}
