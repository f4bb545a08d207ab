//! Applies the objects of a release.

use std::time::Duration;

use kube::ResourceExt;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::core::Status;
use serde_json::Value;

use super::apply_mode::ApplyMode;
use super::context::ReleaseContext;
use super::discovery::{ApiDiscovery, ResolvedResource};
use super::error::StepError;
use super::field_conflict::FieldConflict;
use super::immutable_fields::{immutable_fields, is_finished_job, is_job};
use super::object_id::ObjectId;
use super::ordering::apply_order;
use super::ownership::set_owner;
use super::template_replacement::{lacks_template_fields, replace_template};
use crate::domain::Manifest;
use crate::domain::labels::FIELD_MANAGER;
use crate::k8s::{ApiError, with_retries};

/// Pause between two looks at an object that is being deleted.
const DELETION_POLL: Duration = Duration::from_millis(500);

/// Applies one object, and returns what the server made of it. An object that is being deleted is waited for and
/// created again.
pub(super) async fn apply(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
) -> Result<DynamicObject, StepError> {
    let object = PreparedObject::from_manifest(discovery, manifest).await?;
    let params = PatchParams::apply(FIELD_MANAGER);
    loop {
        let (applied, forced) = context.lock.guard(object.apply(&params, context.mode)).await??;
        if let Some(conflict) = forced {
            context.progress.log(format!("{}: took fields from other managers: {conflict}", object.id)).await;
        }
        if applied.metadata.deletion_timestamp.is_none() {
            return Ok(applied);
        }
        object.wait_deleted(context, &applied).await?;
    }
}

/// Applies all objects in order with `dryRun=All`.
pub(super) async fn dry_run_objects(
    discovery: &mut ApiDiscovery,
    manifests: &[Manifest],
    mode: ApplyMode,
) -> Result<(), StepError> {
    for manifest in apply_order(manifests) {
        dry_run_object(discovery, manifest, mode).await?;
    }
    Ok(())
}

/// Applies one object with `dryRun=All`.
pub(super) async fn dry_run_object(
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
    mode: ApplyMode,
) -> Result<(), StepError> {
    let object = PreparedObject::from_manifest(discovery, manifest).await?;
    object.apply(&dry_run_params(), mode).await.map(drop)
}

/// Whether an apply would change the live object, or create it. Fields of other managers do not count.
pub(super) async fn would_change(discovery: &mut ApiDiscovery, manifest: &Manifest) -> Result<bool, StepError> {
    let object = PreparedObject::from_manifest(discovery, manifest).await?;
    let Some(live) = object.read().await? else { return Ok(true) };
    match object.send(&dry_run_params()).await {
        Ok(applied) => Ok(without_bookkeeping(&live) != without_bookkeeping(&applied)),
        Err(error) if error.is_conflict() => Ok(false),
        Err(error) if error.status().is_some_and(is_change) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Whether the API server refused an apply because it would change something.
fn is_change(refusal: &Status) -> bool {
    !immutable_fields(refusal).is_empty() || lacks_template_fields(refusal)
}

fn dry_run_params() -> PatchParams {
    PatchParams { dry_run: true, ..PatchParams::apply(FIELD_MANAGER) }
}

/// The object without the metadata that a write changes by itself.
fn without_bookkeeping(object: &DynamicObject) -> Value {
    let mut object = serde_json::to_value(object).unwrap_or_default();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(key);
        }
    }
    object
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

    /// Server-side apply. Conflicts with managers of our own name are forced, others if the mode says so; those are
    /// returned.
    async fn apply(
        &self,
        params: &PatchParams,
        mode: ApplyMode,
    ) -> Result<(DynamicObject, Option<FieldConflict>), StepError> {
        let error = match self.send(params).await {
            Ok(object) => return Ok((object, None)),
            Err(error) => error,
        };
        let Some(conflict) = error.status().and_then(FieldConflict::from_status) else {
            return Ok((self.replace(params, mode, error).await?, None));
        };
        let is_ours = conflict.is_with_own_manager();
        if !is_ours && !mode.forces_conflicts() {
            let object = self.id.to_string();
            return Err(StepError::FieldConflict { object, conflict, source: Box::new(error) });
        }
        let forced = PatchParams { force: true, ..params.clone() };
        let object = match self.send(&forced).await {
            Ok(object) => object,
            Err(error) => self.replace(&forced, mode, error).await?,
        };
        Ok((object, (!is_ours).then_some(conflict)))
    }

    /// Replaces what an apply cannot change: the pod template, or the whole object. `refusal` is the server's answer to the
    /// apply, and the result where it has another reason.
    async fn replace(
        &self,
        params: &PatchParams,
        mode: ApplyMode,
        refusal: ApiError,
    ) -> Result<DynamicObject, StepError> {
        if !refusal.status().is_some_and(lacks_template_fields) {
            return self.recreate(params, mode, refusal).await;
        }
        match replace_template(&self.resource, &self.id, &self.object, params.dry_run).await? {
            None => Err(refusal.into()),
            Some(replaced) if params.dry_run => Ok(replaced),
            Some(_) => Ok(self.send(params).await?),
        }
    }

    /// Deletes and creates an object whose immutable fields change, if that loses nothing.
    async fn recreate(
        &self,
        params: &PatchParams,
        mode: ApplyMode,
        refusal: ApiError,
    ) -> Result<DynamicObject, StepError> {
        let Self { id, resource: ResolvedResource { api, .. }, .. } = self;
        let fields = refusal.status().map(immutable_fields).unwrap_or_default();
        if fields.is_empty() {
            return Err(refusal.into());
        }
        let Some(live) = self.read().await? else { return Err(refusal.into()) };
        let is_replaceable = serde_json::to_value(&live)
            .is_ok_and(|live| is_finished_job(&live) || (mode.replaces_unfinished_jobs() && is_job(&live)));
        if !is_replaceable {
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

    /// Waits until the object `terminating` is gone.
    async fn wait_deleted(&self, context: &ReleaseContext<'_>, terminating: &DynamicObject) -> Result<(), StepError> {
        let (id, finalizers) = (&self.id, terminating.finalizers().join(", "));
        context.progress.log(format!("waiting for {id}, which is being deleted (finalizers: {finalizers})")).await;
        let is_gone = async {
            while self.read().await?.is_some_and(|live| live.uid() == terminating.uid()) {
                tokio::time::sleep(DELETION_POLL).await;
            }
            Ok::<_, ApiError>(())
        };
        match context.lock.guard(tokio::time::timeout(context.limits.progress, is_gone)).await? {
            Ok(result) => Ok(result?),
            Err(_) => Err(StepError::StillBeingDeleted { object: id.to_string(), finalizers }),
        }
    }

    async fn read(&self) -> Result<Option<DynamicObject>, ApiError> {
        let id = &self.id;
        with_retries(format!("reading {id}"), || self.resource.api.get_opt(&id.name)).await
    }

    async fn send(&self, params: &PatchParams) -> Result<DynamicObject, ApiError> {
        let (id, patch) = (&self.id, Patch::Apply(&self.object));
        with_retries(format!("applying {id}"), || self.resource.api.patch(&id.name, params, &patch)).await
    }
}
