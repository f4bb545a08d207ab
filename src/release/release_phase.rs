//! The release phase: Jobs that have to complete before anything else of a revision changes. Pure.

use crate::domain::{Manifest, labels};

/// Whether a rollout runs the release phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReleasePhase {
    #[default]
    Run,
    Skip,
}

/// Whether the object is a Job of the release phase.
pub(super) fn is_release_job(manifest: &Manifest) -> bool {
    let annotations = manifest.object.pointer("/metadata/annotations");
    manifest.kind() == "Job" && annotations.is_some_and(|all| all.get(labels::PHASE).is_some())
}
