//! Deletes objects of a release.

use kube::api::{DeleteParams, DynamicObject, Preconditions};
use kube::{Api, ResourceExt};

use super::context::ReleaseContext;
use super::discovery::{ApiDiscovery, DiscoveryError};
use super::error::StepError;
use super::immutable_fields::{is_finished_job, is_job};
use super::object_id::ObjectId;
use super::ownership::{is_owned_by_release, live_metadata, reason_to_keep};
use crate::domain::Manifest;
use crate::k8s::with_retries;

/// Deletes an object if it is still the release's and has no keep policy. An object of `applied` stays: a server that
/// serves one object in two API groups has it under both.
pub(super) async fn delete(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
    applied: &[DynamicObject],
) -> Result<(), StepError> {
    let id = ObjectId::from_manifest(manifest);
    let api = match discovery.resolve_stored(manifest).await {
        Ok(resource) => resource.api,
        // A server without the kind has no such object.
        Err(DiscoveryError::UnknownKind { .. }) => return Ok(()),
        Err(DiscoveryError::ClusterScoped { .. }) => {
            context.progress.log(format!("{id} is left alone: it is cluster-scoped")).await;
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let Some(live) = read(&api, &id).await? else { return Ok(()) };
    if applied.iter().any(|applied| applied.uid() == live.uid()) {
        return Ok(());
    }
    if let Some(reason) = reason_to_keep(&live_metadata(&live), context.lock.target()) {
        context.progress.log(format!("{id} is kept: {reason}")).await;
        return Ok(());
    }
    if delete_live(context, &api, &id, &live).await? {
        context.progress.log(format!("{id} removed")).await;
    }
    Ok(())
}

/// Ends a Job of a failed revision, unless it has finished: deletes it with its pods.
pub(super) async fn end_job(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
) -> Result<(), StepError> {
    let id = ObjectId::from_manifest(manifest);
    let api = match discovery.resolve_stored(manifest).await {
        Ok(resource) => resource.api,
        Err(DiscoveryError::UnknownKind { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let Some(live) = read(&api, &id).await? else { return Ok(()) };
    let is_running = serde_json::to_value(&live).is_ok_and(|live| is_job(&live) && !is_finished_job(&live));
    let is_ours = is_owned_by_release(&live_metadata(&live), context.lock.target());
    if is_running && is_ours && delete_live(context, &api, &id, &live).await? {
        context.progress.log(format!("{id} had not finished, and was ended")).await;
    }
    Ok(())
}

async fn read(api: &Api<DynamicObject>, id: &ObjectId) -> Result<Option<DynamicObject>, StepError> {
    Ok(with_retries(format!("reading {id}"), || api.get_opt(&id.name)).await?)
}

/// Whether this request deleted the object: someone else may have deleted or replaced it.
async fn delete_live(
    context: &ReleaseContext<'_>,
    api: &Api<DynamicObject>,
    id: &ObjectId,
    live: &DynamicObject,
) -> Result<bool, StepError> {
    let same_object = Preconditions { uid: live.uid(), resource_version: None };
    let params = DeleteParams::background().preconditions(same_object);
    match context.lock.guard(with_retries(format!("deleting {id}"), || api.delete(&id.name, &params))).await? {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
