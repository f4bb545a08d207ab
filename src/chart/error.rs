//! What can go wrong between values and manifests.

use std::error::Error;

/// Why a chart could not be rendered or read.
///
/// The message is for whoever asked for the deploy; [`ChartError::report`] adds what the operator
/// of slipway needs.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// A value cannot be used.
    #[error("{0}")]
    Value(String),
    /// The values file is not what is expected there.
    #[error("{message}")]
    ValuesFile {
        /// Where in the file, which field, and what is wrong with it.
        message: String,
    },
    /// The values file is too large.
    #[error("the values file has more than {limit} bytes")]
    ValuesFileSize {
        /// The most that is read.
        limit: usize,
    },
    /// A template failed. tera's report names file, line and column.
    #[error("the app chart's template {template} cannot be rendered: whoever runs this slipway has to mend it")]
    Template {
        /// The file's name.
        template: String,
        /// tera's report.
        #[source]
        source: tera::Error,
    },
    /// The set of templates could not be loaded.
    #[error("cannot load the app chart's templates")]
    Templates(#[source] tera::Error),
    /// A directory of templates could not be read.
    #[error("cannot read the app chart's templates")]
    Read {
        /// Which file or directory.
        path: String,
        /// Why.
        #[source]
        source: ReadFault,
    },
    /// What came out of a template is not YAML.
    #[error("the app chart's template {template} does not render to YAML: whoever runs this slipway has to mend it")]
    Yaml {
        /// The file's name, or where a stored manifest says it came from.
        template: String,
        /// The reader's report.
        #[source]
        source: Box<serde_yaml::Error>,
    },
    /// An object that a release may not hold.
    #[error("{template}: {reason}")]
    Object {
        /// The template it came from.
        template: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The manifests could not be written as YAML.
    #[error("cannot write the manifests as YAML")]
    Write(#[source] serde_yaml::ser::Error),
    /// The values could not be written into the release record.
    #[error("cannot write the values as JSON")]
    Record(#[source] serde_json::Error),
}

/// Why a directory of templates was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReadFault {
    /// The file system said so.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// What is there is no set of templates.
    #[error("{0}")]
    Content(String),
}

impl ChartError {
    /// The message and everything beneath it, for an operator's terminal.
    pub fn report(&self) -> String {
        let mut report = self.to_string();
        if let Self::Read { path, .. } = self {
            report = format!("{report}: {path}");
        }
        let mut cause = self.source();
        while let Some(error) = cause {
            report = format!("{report}\n{error}");
            cause = error.source();
        }
        report
    }
}
