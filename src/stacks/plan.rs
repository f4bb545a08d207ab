//! The result of detection: which stack a repository has, and how it is built and started.

use std::collections::BTreeMap;
use std::fmt;

use super::stack::Stack;
use super::word::Word;

/// How a repository without a Dockerfile is built. Its `Display` is one line for the pusher.
#[derive(Debug, Clone, PartialEq)]
pub struct StackPlan {
    pub stack: Stack,
    /// None for stacks without a version of their own.
    pub version: Option<Sourced>,
    pub start: Sourced,
    /// The tool that installs the dependencies, and the file that lists them.
    pub dependencies: Option<Sourced>,
    /// Base images by the template's variable.
    pub(super) images: BTreeMap<&'static str, ImageName>,
    /// Further variables of the template.
    pub(super) variables: BTreeMap<&'static str, Variable>,
    /// Further lines for the pusher.
    pub notes: Vec<String>,
}

/// A value, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced {
    pub value: String,
    pub origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file, or a part of it.
    File(String),
    /// slipway's default.
    Default,
}

/// A base image by its usual name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageName {
    pub repository: &'static str,
    pub tag: Word,
}

/// A variable of a template.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub(super) enum Variable {
    Flag(bool),
    Word(Word),
    Words(Vec<Word>),
}

impl Sourced {
    pub fn from_file(value: impl Into<String>, file: impl Into<String>) -> Self {
        Self { value: value.into(), origin: Origin::File(file.into()) }
    }

    pub fn default_of(value: impl Into<String>) -> Self {
        Self { value: value.into(), origin: Origin::Default }
    }
}

impl StackPlan {
    pub(super) fn new(stack: Stack, version: Option<Sourced>, start: Sourced) -> Self {
        let (images, variables) = (BTreeMap::new(), BTreeMap::new());
        Self { stack, version, start, dependencies: None, images, variables, notes: Vec::new() }
    }

    /// The lines for the pusher.
    pub fn announcement(&self) -> Vec<String> {
        std::iter::once(self.to_string()).chain(self.notes.iter().cloned()).collect()
    }

    pub(super) fn with_dependencies(mut self, tool: &str, file: &str) -> Self {
        self.dependencies = Some(Sourced::from_file(tool, file));
        self
    }

    /// `tag` consists of checked words.
    pub(super) fn with_image(mut self, variable: &'static str, repository: &'static str, tag: Word) -> Self {
        self.images.insert(variable, ImageName { repository, tag });
        self
    }

    pub(super) fn with(mut self, variable: &'static str, value: impl Into<Variable>) -> Self {
        self.variables.insert(variable, value.into());
        self
    }
}

impl From<bool> for Variable {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Word> for Variable {
    fn from(word: Word) -> Self {
        Self::Word(word)
    }
}

impl From<&'static str> for Variable {
    fn from(word: &'static str) -> Self {
        Self::Word(Word::fixed(word))
    }
}

impl From<Vec<&'static str>> for Variable {
    fn from(words: Vec<&'static str>) -> Self {
        Self::Words(words.into_iter().map(Word::fixed).collect())
    }
}

impl fmt::Display for StackPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Detected {}", self.stack)?;
        if let Some(version) = &self.version {
            write!(f, " {version}")?;
        }
        if let Some(dependencies) = &self.dependencies {
            write!(f, ", installs with {dependencies}")?;
        }
        write!(f, ", starts with {:?} ({})", self.start.value, self.start.origin)
    }
}

impl fmt::Display for Sourced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.value, self.origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.write_str(file),
            Self::Default => f.write_str("default"),
        }
    }
}
