//! A live release whose deploy is not finalized yet, and the answer to the client.

use std::path::PathBuf;

use serde::Serialize;

use crate::build::LocalImage;
use crate::domain::{AppName, BranchName, CommitSha, DeployTrace, Revision};
use crate::release::lock::ReleaseLock;

use super::request::DeployRequest;

/// A deploy whose release is live. It holds the app's lock until [`finalize`](super::Deployer::finalize): if the lock
/// were free before git moves the ref, a second push could deploy on top of the old ref and then fail to move it.
#[must_use = "the app stays locked until the deploy is finalized"]
pub struct LiveDeploy {
    pub(super) lock: ReleaseLock,
    /// None for a rollback, which builds nothing.
    pub(super) local_image: Option<LocalImage>,
    pub(super) repository: PathBuf,
    pub(super) trace: DeployTrace,
    pub(super) deployed: Deployed,
}

impl LiveDeploy {
    pub(super) fn new(
        request: &DeployRequest,
        lock: ReleaseLock,
        local_image: Option<LocalImage>,
        revision: Revision,
        source: DeployedSource,
    ) -> Self {
        Self {
            lock,
            local_image,
            repository: request.repository.clone(),
            trace: request.trace.clone(),
            deployed: Deployed { app: request.app().clone(), revision, source },
        }
    }
}

/// The answer to a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployed {
    pub app: AppName,
    /// The new revision.
    pub revision: Revision,
    pub source: DeployedSource,
}

/// The source of the new revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DeployedSource {
    Commit {
        branch: BranchName,
        commit: CommitSha,
    },
    Revision {
        /// The revision that was deployed again.
        revision: Revision,
        /// Its commit, if slipway deployed that revision.
        commit: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_answer_serialises_with_the_kind_of_its_source() {
        let (branch, commit) = ("main".parse().unwrap(), "a".repeat(40).parse().unwrap());
        let answer = |source| Deployed { app: "web".parse().unwrap(), revision: Revision(3), source };
        assert_eq!(
            serde_json::to_value(answer(DeployedSource::Commit { branch, commit })).unwrap(),
            json!({"app": "web", "revision": 3, "source": {"kind": "commit", "branch": "main", "commit": "a".repeat(40)}})
        );
        assert_eq!(
            serde_json::to_value(answer(DeployedSource::Revision { revision: Revision(1), commit: None })).unwrap(),
            json!({"app": "web", "revision": 3, "source": {"kind": "revision", "revision": 1, "commit": null}})
        );
    }
}
