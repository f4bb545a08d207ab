//! Applies the objects of a release.

use kube::ResourceExt;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use serde_json::Value;

use super::discovery::{ApiDiscovery, ResolvedResource};
use super::error::StepError;
use super::field_conflict::FieldConflict;
use super::immutable_fields::{immutable_fields, is_replaceable};
use super::lock::ReleaseLock;
use super::object_id::ObjectId;
use super::ordering::apply_order;
use super::ownership::set_owner;
use crate::domain::Manifest;
use crate::domain::labels::FIELD_MANAGER;
use crate::k8s::{ApiError, with_retries};

/// Applies one object, and returns what the server made of it.
pub(super) async fn apply(
    lock: &ReleaseLock,
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
) -> Result<DynamicObject, StepError> {
    let object = PreparedObject::from_manifest(discovery, manifest).await?;
    lock.guard(object.apply(&PatchParams::apply(FIELD_MANAGER))).await?
}

/// Applies all objects in order with `dryRun=All`.
pub(super) async fn dry_run_objects(discovery: &mut ApiDiscovery, manifests: &[Manifest]) -> Result<(), StepError> {
    for manifest in apply_order(manifests) {
        let object = PreparedObject::from_manifest(discovery, manifest).await?;
        object.apply(&PatchParams { dry_run: true, ..PatchParams::apply(FIELD_MANAGER) }).await?;
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
    async fn from_manifest(discovery: &mut ApiDiscovery, manifest: &Manifest) -> Result<Self, StepError> {
        let resource = discovery.resolve(manifest).await?;
        let mut object = manifest.object.clone();
        if let Some(object) = object.as_object_mut() {
            object.insert("apiVersion".to_owned(), resource.api_version.clone().into());
        }
        set_owner(&mut object, discovery.target());
        Ok(Self { id: ObjectId::from_manifest(manifest), resource, object })
    }

    /// Server-side apply. Conflicts are forced only against managers with our own name.
    async fn apply(&self, params: &PatchParams) -> Result<DynamicObject, StepError> {
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
                Err(StepError::FieldConflict { object: self.id.to_string(), conflict, source: Box::new(error) })
            }
        }
    }

    /// Deletes and creates an object whose immutable fields change, if that loses nothing. `refusal` is the server's
    /// answer to the apply, and the result where it has another reason.
    async fn recreate(&self, params: &PatchParams, refusal: ApiError) -> Result<DynamicObject, StepError> {
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
            return Err(StepError::ImmutableFields { object, fields, source: Box::new(refusal) });
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
