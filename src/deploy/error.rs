//! Why a push was refused, or failed.

use crate::apps::AppsError;
use crate::build::{BuildError, NoDockerfile};
use crate::chart::ChartError;
use crate::domain::{AppName, Cancelled, Revision};
use crate::git::{GitError, RefusedUpdate};
use crate::registry::RegistryError;
use crate::release::ReleaseError;
use crate::release::lock::LockError;

use super::options::UnknownOption;

/// One variant for each stage. `Display` is what the pusher may read; the log has the whole chain.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// A push option that slipway does not know.
    #[error(transparent)]
    Option(#[from] UnknownOption),
    /// git could not be asked about the push.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The ref policy refuses the push.
    #[error(transparent)]
    Refs(#[from] RefusedUpdate),
    /// A first push that deploys nothing.
    #[error("there is no app {0} yet: the push that creates it has to bring a branch")]
    NothingToCreate(AppName),
    /// There is nothing that could be deployed again.
    #[error("{0} has no deploy branch here yet: push to it first")]
    NoBranch(AppName),
    /// The tree has nothing that could be built.
    #[error(transparent)]
    NoDockerfile(#[from] NoDockerfile),
    /// Another push changed the branches while this one waited for the app.
    #[error("{0} was pushed to in the meantime: fetch, then push again")]
    Overtaken(AppName),
    /// The app's namespace could not be had.
    #[error(transparent)]
    App(#[from] AppsError),
    /// What a killed gateway left could not be undone.
    #[error("{revision} was interrupted and could not be undone: {why}")]
    NotHealed {
        /// The interrupted revision.
        revision: Revision,
        /// Why.
        #[source]
        why: Box<ReleaseError>,
    },
    /// Another deploy of the app is running, or the lock was lost.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The build failed.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The image could not be pushed, or not be found afterwards.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The chart could not be rendered.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// The cluster refused the release, or it did not become ready.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// That was all that was asked for.
    #[error(
        "dry run: nothing was deployed or stored. git calls the push declined, since a branch moves only with what is live"
    )]
    DryRun,
    /// The client has gone, or slipway is shutting down.
    #[error("cancelled; nothing was deployed")]
    Cancelled(#[from] Cancelled),
}
