//! What can go wrong with the namespace of an app.

use crate::clusters::CallError;
use crate::domain::AppName;

/// Why an app's namespace can't be used. The text is for the user, the source for the log.
#[derive(Debug, thiserror::Error)]
pub enum AppsError {
    /// Somebody else was quicker.
    #[error("{0} was created by someone else a moment ago")]
    Taken(AppName),
    /// The namespace is not slipway's.
    #[error("the namespace {0} exists and was not made by slipway; an admin may hand it over: apps:adopt {0}")]
    Foreign(AppName),
    /// Its operator has slipway use other namespaces only.
    #[error("{0} is none of the namespaces that slipway may use here")]
    NotListed(AppName),
    /// One that slipway may use, and cannot make.
    #[error("there is no namespace {0}, or slipway has no rights in it, and may not make it: ask who runs the cluster")]
    Missing(AppName),
    /// The namespace is on its way out.
    #[error("the namespace {0} is being deleted; try again in a moment")]
    BeingDeleted(AppName),
    /// The namespace does not go.
    #[error("the namespace {app} is still being deleted, and its repository stays until it is gone: {reasons}")]
    Stuck {
        /// The app.
        app: AppName,
        /// What stands in the way, as far as the cluster says.
        reasons: String,
    },
    /// A binding that does not count.
    #[error("slipway has no rights in the namespace {0} yet; try again in a moment")]
    NoRights(AppName),
    /// The app ended while it was pushed to.
    #[error("the namespace of {0} is gone; push again")]
    Gone(AppName),
    /// No answer.
    #[error("the Kubernetes API cannot be reached; nothing was deployed")]
    Unreachable(#[source] Box<CallError>),
    /// An answer that says no.
    #[error("the Kubernetes API refused this with status {code}; slipway's log says why")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// What it said.
        #[source]
        source: Box<CallError>,
    },
}

impl From<CallError> for AppsError {
    fn from(error: CallError) -> Self {
        let source = Box::new(error);
        match source.status() {
            Some(status) => Self::Refused { code: status.code, source },
            None => Self::Unreachable(source),
        }
    }
}
