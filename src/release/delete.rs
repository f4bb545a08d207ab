//! Deletes objects of a release.

use kube::api::{DeleteParams, DynamicObject, Preconditions};
use kube::{Api, ResourceExt};

use super::discovery::{ApiDiscovery, DiscoveryError};
use super::error::StepError;
use super::lock::ReleaseLock;
use super::object_id::ObjectId;
use super::ownership::{has_keep_policy, is_owned_by_release, live_metadata};
use crate::domain::{Manifest, Progress};
use crate::k8s::with_retries;

/// Deletes an object if it is still the release's and has no keep policy.
pub(super) async fn delete(
    lock: &ReleaseLock,
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
    progress: &Progress,
) -> Result<(), StepError> {
    match discovery.resolve_stored(manifest).await {
        Ok(api) => delete_live(lock, &api, &ObjectId::from_manifest(manifest), progress).await,
        // A server without the kind has no such object.
        Err(DiscoveryError::UnknownKind { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn delete_live(
    lock: &ReleaseLock,
    api: &Api<DynamicObject>,
    id: &ObjectId,
    progress: &Progress,
) -> Result<(), StepError> {
    let Some(live) = with_retries(format!("reading {id}"), || api.get_opt(&id.name)).await? else { return Ok(()) };
    let metadata = live_metadata(&live);
    if !is_owned_by_release(&metadata, lock.target()) || has_keep_policy(&metadata) {
        progress.log(format!("{id} is kept")).await;
        return Ok(());
    }
    let same_object = Preconditions { uid: live.uid(), resource_version: None };
    let params = DeleteParams::background().preconditions(same_object);
    match lock.guard(with_retries(format!("deleting {id}"), || api.delete(&id.name, &params))).await? {
        Ok(_) => progress.log(format!("{id} removed")).await,
        Err(error) if error.is_not_found() || error.is_conflict() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
