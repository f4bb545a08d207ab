//! Applies and deletes the objects of a release.

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use super::discovery::{ApiDiscovery, ResolvedResource};
use super::error::ReleaseError;
use super::field_conflict::FieldConflict;
use super::history::ReleaseHistory;
use super::immutable_fields::{immutable_fields, is_replaceable};
use super::lock::ReleaseLock;
use super::object_id::ObjectId;
use super::ordering::apply_order;
use super::ownership::{has_keep_policy, is_owned_by_release, set_owner};
use super::prune::difference;
use crate::domain::labels::FIELD_MANAGER;
use crate::domain::{Manifest, Progress, RenderedChart, Target};
use crate::k8s::{ApiError, with_retries};

/// Rewrites the objects of a chart to API versions that the server has, where an equivalent version exists.
///
/// # Errors
/// [`ReleaseError::UnknownKind`], [`ReleaseError::ClusterScoped`], [`ReleaseError::Api`].
pub async fn normalize_versions(
    client: &Client,
    target: &Target,
    chart: &mut RenderedChart,
) -> Result<(), ReleaseError> {
    ApiDiscovery::new(client, target).normalize_versions(&mut chart.manifests).await
}

/// Dry-runs the apply of a chart on the API server, with its admission webhooks and quotas. The namespace must exist.
/// The history is read if it is `None`. Returns the discovery results for the release itself.
///
/// # Errors
/// Those with which [`super::upgrade`] would fail.
pub async fn dry_run(
    client: &Client,
    target: &Target,
    chart: &RenderedChart,
    history: Option<ReleaseHistory>,
) -> Result<ApiDiscovery, ReleaseError> {
    let history = match history {
        Some(history) => history,
        None => ReleaseHistory::read(client, target).await?,
    };
    let mut discovery = ApiDiscovery::new(client, target);
    check_ownership(&mut discovery, target, &chart.manifests, history.deployed_manifests()).await?;
    dry_run_objects(&mut discovery, &chart.manifests).await?;
    Ok(discovery)
}

/// Applies all objects in order with `dryRun=All`.
pub(super) async fn dry_run_objects(discovery: &mut ApiDiscovery, manifests: &[Manifest]) -> Result<(), ReleaseError> {
    for manifest in apply_order(manifests) {
        let object = PreparedObject::from_manifest(discovery, manifest).await?;
        object.apply(&PatchParams { dry_run: true, ..PatchParams::apply(FIELD_MANAGER) }).await?;
    }
    Ok(())
}

/// Refuses to take over objects that exist and are not the release's. The objects of the deployed revision (`old`) are
/// the release's even if someone removed their ownership metadata.
pub(super) async fn check_ownership(
    discovery: &mut ApiDiscovery,
    target: &Target,
    new: &[Manifest],
    old: &[Manifest],
) -> Result<(), ReleaseError> {
    for manifest in difference(new, old) {
        let id = ObjectId::from_manifest(manifest);
        let api = discovery.resolve(manifest).await?.api;
        let existing = with_retries(format!("reading {id}"), || api.get_opt(&id.name)).await?;
        if existing.is_some_and(|existing| !is_owned_by_release(&metadata(&existing), target)) {
            return Err(ReleaseError::OwnedByOther { object: id.to_string(), namespace: target.namespace.clone() });
        }
    }
    Ok(())
}

/// Applies all objects in order. `applied` receives what the server returned, also if a later object fails.
pub(super) async fn apply_objects(
    lock: &ReleaseLock,
    discovery: &mut ApiDiscovery,
    manifests: &[Manifest],
    applied: &mut Vec<DynamicObject>,
) -> Result<(), ReleaseError> {
    for manifest in apply_order(manifests) {
        let object = PreparedObject::from_manifest(discovery, manifest).await?;
        applied.push(lock.guard(object.apply(&PatchParams::apply(FIELD_MANAGER))).await??);
    }
    Ok(())
}

/// An object as it is sent to the API server: with an API version that the server has, and with its owner.
struct PreparedObject {
    id: ObjectId,
    resource: ResolvedResource,
    object: Value,
}

impl PreparedObject {
    async fn from_manifest(discovery: &mut ApiDiscovery, manifest: &Manifest) -> Result<Self, ReleaseError> {
        let resource = discovery.resolve(manifest).await?;
        let mut object = manifest.object.clone();
        if let Some(object) = object.as_object_mut() {
            object.insert("apiVersion".to_owned(), resource.api_version.clone().into());
        }
        set_owner(&mut object, discovery.target());
        Ok(Self { id: ObjectId::from_manifest(manifest), resource, object })
    }

    /// Server-side apply. Conflicts are forced only against managers with our own name.
    async fn apply(&self, params: &PatchParams) -> Result<DynamicObject, ReleaseError> {
        let error = match self.send(params).await {
            Ok(object) => return Ok(object),
            Err(error) => error,
        };
        match error.status().and_then(FieldConflict::from_status) {
            None => self.recreate(params, error).await,
            Some(conflict) if conflict.is_with_own_manager() => {
                Ok(self.send(&PatchParams { force: true, ..params.clone() }).await?)
            }
            Some(conflict) => {
                Err(ReleaseError::Conflict { object: self.id.to_string(), conflict, source: Box::new(error) })
            }
        }
    }

    /// Deletes and creates an object whose immutable fields change, if that loses nothing. `refusal` is the server's
    /// answer to the apply, and the result where it has another reason.
    async fn recreate(&self, params: &PatchParams, refusal: ApiError) -> Result<DynamicObject, ReleaseError> {
        let Self { id, resource: ResolvedResource { api, .. }, .. } = self;
        let fields = refusal.status().map(immutable_fields).unwrap_or_default();
        if fields.is_empty() {
            return Err(refusal.into());
        }
        let Some(live) = with_retries(format!("reading {id}"), || api.get_opt(&id.name)).await? else {
            return Err(refusal.into());
        };
        let replaceable = serde_json::to_value(&live).is_ok_and(|live| is_replaceable(&live));
        if !replaceable {
            let (object, fields) = (id.to_string(), fields.join(", "));
            return Err(ReleaseError::ImmutableFields { object, fields, source: Box::new(refusal) });
        }
        if params.dry_run {
            return Ok(live);
        }
        let same_object = Preconditions { uid: live.uid(), resource_version: None };
        let background = DeleteParams::background().preconditions(same_object);
        with_retries(format!("deleting {id}"), || api.delete(&id.name, &background)).await?;
        Ok(self.send(params).await?)
    }

    async fn send(&self, params: &PatchParams) -> Result<DynamicObject, ApiError> {
        let (id, patch) = (&self.id, Patch::Apply(&self.object));
        with_retries(format!("applying {id}"), || self.resource.api.patch(&id.name, params, &patch)).await
    }
}

/// Deletes the objects that are still the release's and have no keep policy. Every deletion is tried; the first error
/// is returned.
pub(super) async fn delete_objects(
    lock: &ReleaseLock,
    discovery: &mut ApiDiscovery,
    manifests: &[&Manifest],
    progress: &Progress,
) -> Result<(), ReleaseError> {
    let mut outcome = Ok(());
    for manifest in manifests {
        let result = match discovery.resolve_stored(manifest).await {
            Ok(api) => delete_object(lock, &api, manifest, progress).await,
            // A server without the kind has no such object.
            Err(ReleaseError::UnknownKind { .. }) => Ok(()),
            Err(error) => Err(error),
        };
        outcome = outcome.and(result);
    }
    outcome
}

async fn delete_object(
    lock: &ReleaseLock,
    api: &Api<DynamicObject>,
    manifest: &Manifest,
    progress: &Progress,
) -> Result<(), ReleaseError> {
    let id = ObjectId::from_manifest(manifest);
    let Some(live) = with_retries(format!("reading {id}"), || api.get_opt(&id.name)).await? else { return Ok(()) };
    let live_metadata = metadata(&live);
    if !is_owned_by_release(&live_metadata, lock.target()) || has_keep_policy(&live_metadata) {
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

/// The labels and annotations of a live object, for [`super::ownership`].
fn metadata(object: &DynamicObject) -> Value {
    serde_json::json!({"metadata": {"labels": object.labels(), "annotations": object.annotations()}})
}
