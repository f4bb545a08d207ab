//! Applying and deleting the objects of a release.

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use super::catalog::{Catalog, Place};
use super::conflict::FieldConflict;
use super::error::ReleaseError;
use super::immutable;
use super::lock::AppLock;
use super::past::Past;
use super::plan::{self, ObjectId};
use crate::clusters::{CallError, call};
use crate::domain::labels::FIELD_MANAGER;
use crate::domain::{AppName, Manifest, Progress, RenderedChart};

/// Puts the objects of a chart into the API versions that the server has, where versions have the same fields.
///
/// # Errors
/// [`ReleaseError::UnknownKind`], [`ReleaseError::ClusterWide`], [`ReleaseError::Api`].
pub async fn fit(client: &Client, app: &AppName, chart: &mut RenderedChart) -> Result<(), ReleaseError> {
    Catalog::new(client, app).fit(&mut chart.manifests).await
}

/// Asks the API server, with its admission webhooks and quotas, whether it would take the objects of a chart. The
/// namespace must exist. Nothing is changed. The `past` is read where it is not known; what was learnt of the server's kinds
/// on the way comes back.
///
/// # Errors
/// What [`super::upgrade`] would fail with.
pub async fn dry_run(
    client: &Client,
    app: &AppName,
    chart: &RenderedChart,
    past: Option<Past>,
) -> Result<Catalog, ReleaseError> {
    let past = match past {
        Some(past) => past,
        None => Past::read(client, app).await?,
    };
    let mut catalog = Catalog::new(client, app);
    check_owners(&mut catalog, app, &chart.manifests, past.standing()).await?;
    rehearse(&mut catalog, &chart.manifests).await?;
    Ok(catalog)
}

/// Applies all objects in order without an effect.
pub(super) async fn rehearse(catalog: &mut Catalog, manifests: &[Manifest]) -> Result<(), ReleaseError> {
    for manifest in plan::apply_order(manifests) {
        let place = catalog.find(manifest).await?;
        patch(&place, manifest, &PatchParams { dry_run: true, ..PatchParams::apply(FIELD_MANAGER) }).await?;
    }
    Ok(())
}

/// Refuses a chart that would take over objects which someone else made. What the release had before is its own,
/// whatever marks were taken from it.
pub(super) async fn check_owners(
    catalog: &mut Catalog,
    app: &AppName,
    new: &[Manifest],
    old: &[Manifest],
) -> Result<(), ReleaseError> {
    for manifest in plan::difference(new, old) {
        let id = ObjectId::of(manifest);
        let objects = catalog.find(manifest).await?.objects;
        let existing = call(format!("reading {id}"), || objects.get_opt(&id.name)).await?;
        if existing.is_some_and(|existing| !belongs_to(&existing, app)) {
            return Err(ReleaseError::Foreign { object: id.to_string(), app: app.clone() });
        }
    }
    Ok(())
}

/// Applies all objects in order. What the server made of them is added to `applied`, which also tells the caller how
/// far it came.
pub(super) async fn apply(
    lock: &AppLock,
    catalog: &mut Catalog,
    manifests: &[Manifest],
    applied: &mut Vec<DynamicObject>,
) -> Result<(), ReleaseError> {
    for manifest in plan::apply_order(manifests) {
        let place = catalog.find(manifest).await?;
        let params = PatchParams::apply(FIELD_MANAGER);
        applied.push(lock.guard(patch(&place, manifest, &params)).await??);
    }
    Ok(())
}

/// One server-side apply. Ownership is taken by force only from managers of our own name.
async fn patch(place: &Place, manifest: &Manifest, params: &PatchParams) -> Result<DynamicObject, ReleaseError> {
    let id = ObjectId::of(manifest);
    let error = match send(place, manifest, &id, params).await {
        Ok(object) => return Ok(object),
        Err(error) => error,
    };
    match error.status().and_then(FieldConflict::of) {
        None => replace(place, manifest, &id, params, error).await,
        Some(conflict) if conflict.is_with_ourselves() => {
            Ok(send(place, manifest, &id, &PatchParams { force: true, ..params.clone() }).await?)
        }
        Some(conflict) => Err(ReleaseError::Conflict { object: id.to_string(), conflict, source: Box::new(error) }),
    }
}

/// Deletes and makes anew what cannot be changed, where nothing is lost by that. `refusal` is the answer to the change.
async fn replace(
    place: &Place,
    manifest: &Manifest,
    id: &ObjectId,
    params: &PatchParams,
    refusal: CallError,
) -> Result<DynamicObject, ReleaseError> {
    let fields = refusal.status().map(immutable::fields).unwrap_or_default();
    if fields.is_empty() {
        return Err(refusal.into());
    }
    let Some(live) = call(format!("reading {id}"), || place.objects.get_opt(&id.name)).await? else {
        return Err(refusal.into());
    };
    let replaceable = serde_json::to_value(&live).is_ok_and(|live| immutable::is_replaceable(&live));
    if !replaceable {
        let (object, fields) = (id.to_string(), fields.join(", "));
        return Err(ReleaseError::Immutable { object, fields, source: Box::new(refusal) });
    }
    if params.dry_run {
        return Ok(live);
    }
    let only_this = Preconditions { uid: live.uid(), resource_version: None };
    let background = DeleteParams::background().preconditions(only_this);
    call(format!("deleting {id}"), || place.objects.delete(&id.name, &background)).await?;
    Ok(send(place, manifest, id, params).await?)
}

async fn send(
    place: &Place,
    manifest: &Manifest,
    id: &ObjectId,
    params: &PatchParams,
) -> Result<DynamicObject, CallError> {
    let mut object = manifest.object.clone();
    if let Some(object) = object.as_object_mut() {
        object.insert("apiVersion".to_owned(), place.api_version.clone().into());
    }
    let patch = Patch::Apply(&object);
    call(format!("applying {id}"), || place.objects.patch(&id.name, params, &patch)).await
}

/// Deletes `gone`, except what is not the release's any more, or says that it must be kept. Each is tried; the first
/// error counts.
pub(super) async fn delete(
    lock: &AppLock,
    catalog: &mut Catalog,
    gone: &[&Manifest],
    progress: &Progress,
) -> Result<(), ReleaseError> {
    let mut outcome = Ok(());
    for manifest in gone {
        let result = match catalog.find_stored(manifest).await {
            Ok(objects) => delete_one(lock, &objects, manifest, progress).await,
            // What the server does not know any more, it does not have.
            Err(ReleaseError::UnknownKind { .. }) => Ok(()),
            Err(error) => Err(error),
        };
        outcome = outcome.and(result);
    }
    outcome
}

async fn delete_one(
    lock: &AppLock,
    objects: &Api<DynamicObject>,
    manifest: &Manifest,
    progress: &Progress,
) -> Result<(), ReleaseError> {
    let id = ObjectId::of(manifest);
    let Some(live) = call(format!("reading {id}"), || objects.get_opt(&id.name)).await? else { return Ok(()) };
    if !belongs_to(&live, lock.app()) || plan::is_kept(&value(&live)) {
        progress.line(format!("{id} is kept")).await;
        return Ok(());
    }
    let only_this = Preconditions { uid: live.uid(), resource_version: None };
    let params = DeleteParams::background().preconditions(only_this);
    match lock.guard(call(format!("deleting {id}"), || objects.delete(&id.name, &params))).await? {
        Ok(_) => progress.line(format!("{id} removed")).await,
        Err(error) if error.is_not_found() || error.is_conflict() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn belongs_to(object: &DynamicObject, app: &AppName) -> bool {
    plan::belongs_to(&value(object), app.as_str())
}

/// The part of a live object that ownership is read from.
fn value(object: &DynamicObject) -> Value {
    serde_json::json!({"metadata": {"labels": object.labels(), "annotations": object.annotations()}})
}
