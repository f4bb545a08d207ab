//! Errors of rendering and reading charts.

use std::error::Error;

/// Why a chart could not be rendered or read.
///
/// The pusher reads the message. [`ChartError::report`] adds what the operator of slipway needs.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    #[error("{0}")]
    InvalidValue(String),
    /// tera's report has the file, line and column.
    #[error("the app chart's template {template} cannot be rendered: the operator of slipway has to fix it")]
    Template {
        template: String,
        #[source]
        source: tera::Error,
    },
    #[error("cannot load the app chart's templates")]
    Templates(#[source] tera::Error),
    #[error("cannot read the app chart's templates")]
    ReadTemplates {
        path: String,
        #[source]
        source: TemplateSetError,
    },
    /// `template` is the name of a file, or the `# Source:` of a stored manifest.
    #[error("the app chart's template {template} does not render to YAML: the operator of slipway has to fix it")]
    InvalidYaml {
        template: String,
        #[source]
        source: Box<serde_yaml::Error>,
    },
    #[error("{template}: {reason}")]
    InvalidObject { template: String, reason: String },
    #[error("cannot write the manifests as YAML")]
    WriteYaml(#[source] serde_yaml::ser::Error),
    /// The values are stored in the release record.
    #[error("cannot write the values as JSON")]
    WriteValues(#[source] serde_json::Error),
}

/// Why a directory of templates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateSetError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Invalid(String),
}

impl ChartError {
    /// The message and its sources, for an operator's terminal.
    pub fn report(&self) -> String {
        let mut report = self.to_string();
        if let Self::ReadTemplates { path, .. } = self {
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
