//! The health of a release's objects outside of a deploy.

use kube::Client;

use super::discovery::{ApiDiscovery, DiscoveryError};
use super::error::PreconditionError;
use super::history::{StoredRelease, find_deployed};
use super::object_id::ObjectId;
use super::readiness::find_live_problem;
use super::storage;
use crate::domain::{Manifest, Revision, Target};
use crate::k8s::with_retries;

/// A problem of an object of the deployed revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectProblem {
    /// Someone else deleted the object, named here.
    Deleted(String),
    /// Why the object is not ready.
    NotReady(String),
}

/// The problems of the objects of the deployed revision: objects that were deleted by hand, and workloads that are not
/// ready. `None` without a deployed revision whose record can be read, or while another one is pending.
///
/// # Errors
/// [`PreconditionError`], if a record or an object cannot be read.
pub async fn find_object_problems(
    client: &Client,
    target: &Target,
) -> Result<Option<(Revision, Vec<ObjectProblem>)>, PreconditionError> {
    let revisions = storage::list(client, target).await?;
    let is_pending = revisions.last().is_some_and(|newest| newest.status.is_pending());
    let Some(deployed) = find_deployed(&revisions).filter(|_| !is_pending) else { return Ok(None) };
    let release = match StoredRelease::read(client, target, deployed.revision).await {
        // The list of the revisions shows it.
        Err(error) if error.is_unreadable() => return Ok(None),
        release => release?,
    };
    let mut discovery = ApiDiscovery::new(client, target);
    let mut problems = Vec::new();
    for manifest in &release.manifests {
        problems.extend(find_problem(client, target, &mut discovery, manifest).await?);
    }
    Ok(Some((deployed.revision, problems)))
}

async fn find_problem(
    client: &Client,
    target: &Target,
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
) -> Result<Option<ObjectProblem>, PreconditionError> {
    let id = ObjectId::from_manifest(manifest);
    let api = match discovery.resolve_stored(manifest).await {
        Ok(resource) => resource.api,
        Err(error @ (DiscoveryError::UnknownKind { .. } | DiscoveryError::ClusterScoped { .. })) => {
            return Ok(Some(ObjectProblem::NotReady(format!("{id} cannot be checked: {error}"))));
        }
        Err(error) => return Err(error.into()),
    };
    match with_retries(format!("reading {id}"), || api.get_opt(&id.name)).await? {
        Some(live) => Ok(find_live_problem(client, target, manifest, live).await?.map(ObjectProblem::NotReady)),
        // Kubernetes deletes finished Jobs.
        None if id.kind == "Job" => Ok(None),
        None => Ok(Some(ObjectProblem::Deleted(id.to_string()))),
    }
}
