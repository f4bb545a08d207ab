//! Errors of the service.

use std::io;

use crate::apps::AppsError;
use crate::auth::AccessDenied;
use crate::deploy::DeployError;
use crate::deploy_logs::DeployLogError;
use crate::domain::AppName;
use crate::git::GitError;
use crate::keys::{KeysError, ParseKeysError};
use crate::release::QueryError;

/// Why a request was refused or failed. `Display` is for the caller; the log has the sources as well.
/// [`kind`](ServiceError::kind) tells a front door which status to answer with.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    #[error(transparent)]
    App(#[from] AppsError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("slipway could not exchange data with git")]
    GitIo(#[source] io::Error),
    #[error("the app {0} has no repository yet: push to it first")]
    NoRepository(AppName),
    #[error("{0} is slipway's own namespace: it cannot be an app")]
    OwnNamespace(AppName),
    #[error("the repository of {app} is in use by {holders}: try again in a moment")]
    RepositoryInUse { app: AppName, holders: String },
    #[error("the name does not match {0}: nothing was deleted")]
    NotConfirmed(AppName),
    #[error(transparent)]
    InvalidKeys(#[from] ParseKeysError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Release(#[from] QueryError),
    #[error(transparent)]
    Log(#[from] DeployLogError),
    #[error(transparent)]
    Deploy(#[from] DeployError),
}
