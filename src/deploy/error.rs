//! Errors of deploys.

use crate::apps::AppsError;
use crate::auth::AccessDenied;
use crate::build::{BuildError, NoDockerfile};
use crate::chart::ChartError;
use crate::domain::progress::strip_control;
use crate::domain::{AppName, BranchName, Cancelled, Revision};
use crate::git::{GitError, RefRejection};
use crate::registry::RegistryError;
use crate::release::lock::{LockError, LockHolder};
use crate::release::{PreconditionError, QueryError, ReleaseError, StepError};
use crate::spec::SpecError;
use crate::stacks::StackError;

use super::options::OptionError;

/// One variant per stage. `Display` is the message for the pusher; the log has the whole error chain.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The user lost the right to push since the push began.
    #[error(transparent)]
    AccessDenied(#[from] AccessDenied),
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    RefRejected(#[from] RefRejection),
    #[error("there is no app {0} yet: the first push to it must include a branch")]
    FirstPushWithoutBranch(AppName),
    #[error("{0} has no deploy branch yet: push to it first")]
    NoDeployBranch(AppName),
    #[error("{app} has no branch {branch}: push it first, then repeat the command", branch = strip_control(branch.as_str()))]
    NoSuchBranch { app: AppName, branch: BranchName },
    #[error(transparent)]
    NoDockerfile(#[from] NoDockerfile),
    #[error("{name} is not read: rename it to {right}")]
    Misnamed { name: String, right: &'static str },
    #[error(
        "the app's environment is {0}, and the repository has no slipway.{0}.yaml: add the file, or push with another \
         environment (-o env=NAME) or none (-o env=)"
    )]
    NoEnvironmentFile(String),
    /// `key` is one of `build` in `slipway.yaml`.
    #[error("build.{key} in slipway.yaml: there is no {what} {path:?} in the repository, or it is empty")]
    NoSuchPath { key: &'static str, path: String, what: &'static str },
    /// The files in which the app describes itself are wrong.
    #[error("the app's files have errors:\n{0}")]
    Spec(#[from] SpecError),
    /// The message names what the command is for.
    #[error(
        "the command of {0} needs a shell, and the image has no /bin/sh: write the command without shell syntax (such as $NAME \
         or &&), or as a list of arguments in slipway.yaml"
    )]
    NoShell(String),
    /// There is no Dockerfile, and none can be generated.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// Another push changed the branches while this deploy waited for the lock.
    #[error("another push has changed {0} in the meantime: run `git fetch`, then push again")]
    ConcurrentPush(AppName),
    /// The namespace could not be claimed, bound or deleted.
    #[error(transparent)]
    App(#[from] AppsError),
    /// The recovery of an interrupted release failed.
    #[error("{revision} was interrupted and could not be undone: {why}")]
    RecoveryFailed {
        revision: Revision,
        #[source]
        why: Box<StepError>,
    },
    /// The namespace was adopted. It keeps slipway's marks, since objects of the release remain in it.
    #[error(
        "the release of {app} could not be removed completely: {why}; {app} stays an app: remove what prevents that, then \
         run apps:destroy again"
    )]
    NotUninstalled {
        app: AppName,
        #[source]
        why: Box<StepError>,
    },
    /// Another deploy of the app holds the lock, or this deploy lost the lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Another deploy of the app holds the lock, and this one was not told to wait.
    #[error("{holder}\nTo wait until it has ended: {how_to_wait}")]
    Busy { holder: Box<LockHolder>, how_to_wait: &'static str },
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// The cluster refused the release, or the release did not become ready.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The dry run has ended. git has to refuse the push: a branch moves only once its commit is live.
    #[error("dry run: nothing was deployed or stored, so git reports the push as declined")]
    DryRun,
    /// The client disconnected, or slipway is shutting down.
    #[error("cancelled; nothing was deployed")]
    Cancelled(#[from] Cancelled),
}

impl From<QueryError> for DeployError {
    fn from(error: QueryError) -> Self {
        Self::Release(error.into())
    }
}

impl From<PreconditionError> for DeployError {
    fn from(error: PreconditionError) -> Self {
        Self::Release(error.into())
    }
}
