//! The steps that an upgrade and a rollback have in common: recorded, applied, waited for, recorded again.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::DynamicObject;
use serde_json::Value;

use super::catalog::Catalog;
use super::error::{Aftermath, ReleaseError};
use super::history::{self, End};
use super::lock::AppLock;
use super::past::Past;
use super::record::{Record, Status};
use super::secret::Tags;
use super::verify::Watch;
use super::{apply, plan, replicas, takeover, undo};
use crate::domain::{Manifest, Progress, Revision, traced};

/// How much of a reason goes into a record.
const REASON: usize = 500;

/// What is live now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Its number.
    pub revision: Revision,
    /// The address of its Service inside the cluster; `None` where that is headless, or there is none.
    pub cluster_ip: Option<String>,
}

/// What is done about a release that fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// What ran before comes back.
    #[default]
    Undo,
    /// What it left stays, to be looked at.
    Keep,
}

/// Whatever the steps of a release need.
pub(super) struct Scope<'a> {
    pub client: &'a Client,
    pub lock: &'a AppLock,
    pub progress: &'a Progress,
    pub timeout: Duration,
}

/// A revision that is not recorded yet.
pub(super) struct Draft {
    /// Its record, pending.
    pub record: Record,
    pub tags: Tags,
    /// The objects.
    pub manifests: Vec<Manifest>,
    /// What it is, where it is said that it failed.
    pub what: String,
    /// Its description once it is live.
    pub success: String,
    pub on_failure: OnFailure,
}

impl Draft {
    fn revision(&self) -> Revision {
        self.record.version
    }
}

/// Records the draft as pending, applies its objects, waits until they are ready, deletes those of the `past` that are
/// gone, and records the outcome.
pub(super) async fn perform(
    scope: &Scope<'_>,
    mut catalog: Catalog,
    past: Past,
    mut draft: Draft,
) -> Result<Released, ReleaseError> {
    let Scope { client, lock, .. } = *scope;
    let revision = draft.revision();
    admit(scope, &mut catalog, &past, &draft).await.map_err(ReleaseError::not_begun)?;
    draft.manifests = replicas::leave_out(&mut catalog, draft.manifests).await.map_err(ReleaseError::not_begun)?;
    let record = traced("record", history::create(client, lock, &draft.record, &draft.tags));
    // Half a release is worse than none: what is refused is found out before anything is changed.
    let rehearsal = traced("rehearse", apply::rehearse(&mut catalog, &draft.manifests));
    let (record, rehearsed) = tokio::join!(record, rehearsal);
    let pending = record?;
    if let Err(why) = rehearsed {
        return Err(give_up(scope, &draft, pending, why).await);
    }
    let mut applied = Vec::new();
    if let Err(why) = go_live(scope, &mut catalog, &draft.manifests, &past, &mut applied).await {
        return Err(Box::pin(fail(scope, catalog, past, draft, why)).await);
    }
    let end = End { revision, status: Status::Deployed, description: Some(&draft.success) };
    history::close_known(client, lock, pending, &end).await?;
    supersede(scope, &past, revision).await;
    Ok(Released { revision, cluster_ip: cluster_ip(&applied, lock.app().as_str()) })
}

/// Whether it is the draft's turn, and everything that it names its own.
async fn admit(scope: &Scope<'_>, catalog: &mut Catalog, past: &Past, draft: &Draft) -> Result<(), ReleaseError> {
    check_turn(scope.lock, past, draft.revision())?;
    apply::check_owners(catalog, scope.lock.app(), &draft.manifests, past.standing()).await
}

/// Makes `new` what the cluster has: applies it, waits for it, and deletes what only the `past` had.
pub(super) async fn go_live(
    scope: &Scope<'_>,
    catalog: &mut Catalog,
    new: &[Manifest],
    past: &Past,
    applied: &mut Vec<DynamicObject>,
) -> Result<(), ReleaseError> {
    let watch = Watch::open(scope.client, scope.lock.app(), catalog, new).await?;
    if past.has_updates {
        takeover::take_over(scope.lock, catalog, new).await?;
    }
    replicas::keep(scope.lock, catalog, &past.objects, new).await?;
    traced("apply", apply::apply(scope.lock, catalog, new, applied)).await?;
    let ready = Box::pin(watch.until_ready(applied, scope.timeout, scope.progress));
    traced("rollout", async { scope.lock.guard(ready).await? }).await?;
    let gone = plan::prune(&past.objects, new);
    traced("prune", apply::delete(scope.lock, catalog, &gone, scope.progress)).await
}

/// Marks what served before. That it is left undone does no harm: Helm and slipway take the newest, and the next
/// release does it.
pub(super) async fn supersede(scope: &Scope<'_>, past: &Past, by: Revision) {
    let Scope { client, lock, .. } = *scope;
    for revision in past.serving().filter(|revision| *revision != by) {
        let end = End { revision, status: Status::Superseded, description: None };
        let known = past.deployed.as_ref().filter(|standing| standing.revision() == revision);
        let closed = match known {
            Some(standing) => history::close_known(client, lock, standing.secret.clone(), &end).await,
            None => history::close(client, lock, &end).await,
        };
        if let Err(error) = closed {
            tracing::warn!(app = %lock.app(), %revision, %error, "a superseded release could not be marked");
        }
    }
}

/// The description of a revision that failed.
pub(super) fn failure(what: &str, why: &ReleaseError) -> String {
    format!("{what} failed: {why}").chars().take(REASON).collect()
}

/// Records that a release failed before anything was changed.
async fn give_up(scope: &Scope<'_>, draft: &Draft, pending: Secret, why: ReleaseError) -> ReleaseError {
    let description = reason(scope, draft, &why);
    let end = End { revision: draft.revision(), status: Status::Failed, description: Some(&description) };
    match history::close_known(scope.client, scope.lock, pending, &end).await {
        Ok(()) => failed(draft, why, Aftermath::Untouched),
        Err(error) => error,
    }
}

/// Deals with a release that failed on the way. Without the lock nothing may be written: whoever has it heals.
async fn fail(scope: &Scope<'_>, catalog: Catalog, mut past: Past, draft: Draft, why: ReleaseError) -> ReleaseError {
    if matches!(why, ReleaseError::Lock(_)) {
        return why;
    }
    let description = reason(scope, &draft, &why);
    let revision = draft.revision();
    let aftermath = match draft.on_failure {
        OnFailure::Undo => {
            past.objects.extend(draft.manifests.iter().cloned());
            undo::undo(scope, catalog, &past, revision, &description).await
        }
        OnFailure::Keep => {
            let end = End { revision, status: Status::Failed, description: Some(&description) };
            match history::close(scope.client, scope.lock, &end).await {
                Ok(()) => Aftermath::Kept,
                Err(error) => return error,
            }
        }
    };
    failed(&draft, why, aftermath)
}

fn reason(scope: &Scope<'_>, draft: &Draft, why: &ReleaseError) -> String {
    tracing::warn!(app = %scope.lock.app(), revision = %draft.revision(), error = %why, "a release failed");
    failure(&draft.what, why)
}

fn failed(draft: &Draft, why: ReleaseError, aftermath: Aftermath) -> ReleaseError {
    ReleaseError::Failed { revision: draft.revision(), why: Box::new(why), aftermath }
}

/// Helm's own lock is a pending record, and a number that is taken is somebody's.
fn check_turn(lock: &AppLock, past: &Past, revision: Revision) -> Result<(), ReleaseError> {
    let app = lock.app();
    match past.newest() {
        Some(newest) if newest.status.is_pending() => Err(ReleaseError::pending(lock, newest)),
        Some(newest) if newest.revision >= revision => Err(ReleaseError::Taken { app: app.clone(), revision }),
        _ => Ok(()),
    }
}

/// The Service named after the app, or else the first.
fn cluster_ip(applied: &[DynamicObject], app: &str) -> Option<String> {
    let is_service = |object: &&DynamicObject| object.types.as_ref().is_some_and(|types| types.kind == "Service");
    let mut services: Vec<_> = applied.iter().filter(is_service).collect();
    services.sort_by_key(|service| service.metadata.name.as_deref() != Some(app));
    let ip = services.first()?.data.pointer("/spec/clusterIP").and_then(Value::as_str)?;
    (!matches!(ip, "" | "None")).then(|| ip.to_owned())
}
