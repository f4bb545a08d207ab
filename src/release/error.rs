//! Why a release did not come about.

use std::time::Duration;

use super::conflict::FieldConflict;
use super::lock::{AppLock, LockError};
use super::record::DecodeError;
use super::secret::RevisionSummary;
use crate::clusters::CallError;
use crate::domain::{AppName, Revision};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a release did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The Kubernetes API refused or failed.
    #[error(transparent)]
    Api(#[from] CallError),
    /// The deploy lock was lost.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Somebody else owns fields that the chart sets.
    #[error("{object} was changed by someone else: {conflict}; undo that change, or leave the fields out of the chart")]
    Conflict {
        /// Which object.
        object: String,
        /// Whose fields.
        conflict: FieldConflict,
        /// The answer.
        #[source]
        source: Box<CallError>,
    },
    /// The chart changes what cannot be changed.
    #[error(
        "{object}: {fields} cannot be changed once it is there; give it another name, or delete it and deploy again"
    )]
    Immutable {
        /// Which object.
        object: String,
        /// The fields.
        fields: String,
        /// The answer.
        #[source]
        source: Box<CallError>,
    },
    /// An object of the chart's name exists, and belongs to someone else.
    #[error("{object} exists already in the namespace {app} and does not belong to this app; delete it or rename it")]
    Foreign {
        /// Which object.
        object: String,
        /// The app.
        app: AppName,
    },
    /// Another writer made the record of this revision.
    #[error("someone else made {revision} of {app} in the meantime; push again")]
    Taken {
        /// The app.
        app: AppName,
        /// The revision.
        revision: Revision,
    },
    /// Somebody's helm is in the middle of something.
    #[error("helm is working on {app} ({revision} is {status} since {} s); try again later", age.as_secs())]
    InProgress {
        /// The app.
        app: AppName,
        /// The revision that is being written.
        revision: Revision,
        /// Its status.
        status: &'static str,
        /// For how long.
        age: Duration,
    },
    /// A gateway died in the middle of something, and that was not undone yet.
    #[error("{revision} of {app} was interrupted and is not undone yet; push again")]
    Interrupted {
        /// The app.
        app: AppName,
        /// The revision.
        revision: Revision,
    },
    /// The record would not fit into a Secret.
    #[error(
        "the release is too large to be recorded: {size} bytes packed, {limit} are possible; the largest are {largest}"
    )]
    TooLarge {
        /// The size of the packed record.
        size: usize,
        /// What fits.
        limit: usize,
        /// The objects that take the most room.
        largest: String,
    },
    /// The record could not be packed.
    #[error("the release could not be recorded")]
    Encode(#[source] std::io::Error),
    /// A record does not decode.
    #[error("the record of {revision} cannot be read: {source}")]
    Record {
        /// Which.
        revision: Revision,
        /// Why.
        source: DecodeError,
    },
    /// There is no record of that number.
    #[error("{app} has no {revision}; `releases {app}` lists what there is")]
    NoSuchRevision {
        /// The app.
        app: AppName,
        /// The revision.
        revision: Revision,
    },
    /// Nothing was ever deployed, or it was uninstalled.
    #[error("nothing of {0} is deployed")]
    NothingServes(AppName),
    /// There is nothing to compare with, or to go back to.
    #[error("nothing else of {app} served before {revision}")]
    NothingBefore {
        /// The app.
        app: AppName,
        /// The revision.
        revision: Revision,
    },
    /// A revision that never went live.
    #[error("{revision} of {app} is {status}; only what served can be gone back to")]
    NeverServed {
        /// The app.
        app: AppName,
        /// The revision.
        revision: Revision,
        /// Its status.
        status: &'static str,
    },
    /// There is nothing to go back to.
    #[error("{revision} is what {app} runs now")]
    ServesAlready {
        /// The app.
        app: AppName,
        /// The revision.
        revision: Revision,
    },
    /// YAML cannot say an object.
    #[error("an object cannot be written as YAML")]
    Unprintable(#[source] Source),
    /// A recorded manifest does not parse.
    #[error("the manifest recorded for {revision} cannot be read")]
    Manifest {
        /// Which.
        revision: Revision,
        /// Why.
        source: Source,
    },
    /// The server does not know a kind.
    #[error("this cluster does not know {kind} in {api_version}")]
    UnknownKind {
        /// The API version.
        api_version: String,
        /// The kind.
        kind: String,
    },
    /// An object does not live in a namespace.
    #[error("{object} is cluster-wide; an app has only objects in its own namespace")]
    ClusterWide {
        /// Which object.
        object: String,
    },
    /// The pods did not become ready.
    #[error("{0}")]
    Rollout(String),
    /// Nothing was written yet.
    #[error(transparent)]
    NotBegun(Box<ReleaseError>),
    /// The release was recorded as failed; the second part says what runs now.
    #[error("{revision} failed: {why}; {aftermath}")]
    Failed {
        /// The revision.
        revision: Revision,
        /// Why.
        #[source]
        why: Box<ReleaseError>,
        /// What runs now.
        aftermath: Aftermath,
    },
}

impl ReleaseError {
    /// Marks an error that came before anything was written.
    pub(super) fn not_begun(self) -> Self {
        Self::NotBegun(Box::new(self))
    }

    /// Whether something may be left that [`super::heal`] has to undo: the cluster was lost on the way.
    pub fn is_unfinished(&self) -> bool {
        match self {
            Self::Failed { aftermath, .. } => aftermath.is_unfinished(),
            // of the last two nothing was recorded
            Self::NotBegun(_) | Self::Taken { .. } | Self::TooLarge { .. } => false,
            _ => true,
        }
    }

    /// That `newest` is pending. If slipway wrote it, nobody works on it: the caller holds the lock.
    pub(super) fn pending(lock: &AppLock, newest: &RevisionSummary) -> Self {
        let (app, revision) = (lock.app().clone(), newest.revision);
        if newest.ours {
            return Self::Interrupted { app, revision };
        }
        Self::InProgress { app, revision, status: newest.status.as_str(), age: newest.age(lock.now()) }
    }
}

/// What was done about a release that failed.
#[derive(Debug, thiserror::Error)]
pub enum Aftermath {
    /// It failed before anything was changed.
    #[error("nothing was changed")]
    Untouched,
    /// What ran before runs again.
    #[error("{to} serves again (as {recorded})")]
    RolledBack {
        /// The revision that ran before.
        to: Revision,
        /// The revision that repeats it.
        recorded: Revision,
    },
    /// Bringing back what ran before failed as well.
    #[error("the rollback to {to} failed too: {why}")]
    NotRolledBack {
        /// The revision that ran before.
        to: Revision,
        /// Why.
        why: Box<ReleaseError>,
    },
    /// Nothing: that was asked for.
    #[error("what it left was kept, as you asked")]
    Kept,
    /// There was nothing before; its objects are gone.
    #[error("its objects were removed")]
    Removed,
    /// There was nothing before, and its objects could not all be removed.
    #[error("its objects could not all be removed: {0}")]
    NotRemoved(Box<ReleaseError>),
}

impl Aftermath {
    /// Whether what was to be undone is not.
    pub fn is_unfinished(&self) -> bool {
        matches!(self, Self::NotRolledBack { .. } | Self::NotRemoved(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_have_been_written_has_to_be_healed() {
        let app: AppName = "web".parse().unwrap();
        let lost = || ReleaseError::Lock(LockError::Lost { app: app.clone() });
        assert!(lost().is_unfinished());
        let early = lost().not_begun();
        assert!(!early.is_unfinished());
        assert!(!ReleaseError::TooLarge { size: 2, limit: 1, largest: String::new() }.is_unfinished());
        assert_eq!(early.to_string(), lost().to_string());
    }
}
