//! A new revision of an app: recorded, applied, waited for, recorded again.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use kube::api::DynamicObject;
use serde_json::{Map, Value, json};

use super::catalog::Catalog;
use super::error::{Aftermath, ReleaseError};
use super::history::{self, Tags};
use super::lock::AppLock;
use super::past::Past;
use super::plan;
use super::record::{Info, Record, SERVER_SIDE, Status, chart_metadata};
use super::wait::Watch;
use super::{apply, rollback};
use crate::domain::{CommitSha, Digest, Manifest, Progress, RenderedChart, Revision, UserName, labels};

/// How much of a reason goes into a record.
const REASON: usize = 500;

/// What is to be released.
#[derive(Debug, Clone)]
pub struct ReleaseRequest {
    /// The objects, and what Helm shows of the chart.
    pub chart: RenderedChart,
    /// The objects as the YAML text that the record keeps.
    pub manifest_text: String,
    /// The commit.
    pub commit: CommitSha,
    /// Who pushed it.
    pub pusher: UserName,
    /// The image's digest.
    pub digest: Digest,
    /// The number that [`super::next_revision`] gave.
    pub revision: Revision,
    /// How long the pods may take to become ready.
    pub timeout: Duration,
}

/// What is live now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Its number.
    pub revision: Revision,
    /// The address of its Service inside the cluster; `None` where that is headless, or there is none.
    pub cluster_ip: Option<String>,
}

/// Whatever the steps of a release need.
pub(super) struct Scope<'a> {
    pub client: &'a Client,
    pub lock: &'a AppLock,
    pub progress: &'a Progress,
    pub timeout: Duration,
}

/// Releases: records the revision as pending, applies its objects, waits until they are ready, deletes those of the
/// revision before that are gone, and records the outcome. If it fails, what ran before comes back.
///
/// # Errors
/// [`ReleaseError::Failed`] if it was recorded as failed; it says what runs now. Any other if nothing was changed, or
/// if the lock or the API server was lost on the way: then [`super::heal`] will find the pending record.
pub async fn upgrade(
    client: &Client,
    lock: &AppLock,
    request: ReleaseRequest,
    progress: &Progress,
) -> Result<Released, ReleaseError> {
    let scope = Scope { client, lock, progress, timeout: request.timeout };
    let past = Past::read(client, lock.app()).await?;
    check_turn(lock, &past, request.revision)?;
    let mut catalog = Catalog::new(client, lock.app());
    apply::check_owners(&mut catalog, lock.app(), &request.chart.manifests, past.standing()).await?;
    let record = record(lock, &request, &past);
    history::create(client, lock, &record, &tags(&request)).await?;

    // Half a release is worse than none: what is refused is found out before anything is changed.
    if let Err(why) = apply::rehearse(&mut catalog, &request.chart.manifests).await {
        return Err(give_up(&scope, &request, why).await);
    }
    let mut applied = Vec::new();
    if let Err(why) = go_live(&scope, &mut catalog, &request.chart.manifests, &past.objects, &mut applied).await {
        return Err(Box::pin(undo(&scope, catalog, past, request, why)).await);
    }
    let description = format!("Deployed {} by {}", request.commit.short(), request.pusher);
    history::close(client, lock, request.revision, Status::Deployed, Some(&description)).await?;
    supersede(&scope, &past, request.revision).await;
    Ok(Released { revision: request.revision, cluster_ip: cluster_ip(&applied, lock.app().as_str()) })
}

/// Makes `new` what the cluster has: applies it, waits for it, and deletes what only `old` had.
pub(super) async fn go_live(
    scope: &Scope<'_>,
    catalog: &mut Catalog,
    new: &[Manifest],
    old: &[Manifest],
    applied: &mut Vec<DynamicObject>,
) -> Result<(), ReleaseError> {
    let watch = Watch::open(scope.client, scope.lock.app(), new);
    apply::apply(scope.lock, catalog, new, applied).await?;
    scope.lock.guard(watch.until_ready(applied, scope.timeout, scope.progress)).await??;
    apply::delete(scope.lock, catalog, &plan::prune(old, new), scope.progress).await
}

/// Marks what served before. That it is left undone does no harm: Helm and slipway take the newest, and the next
/// release does it.
pub(super) async fn supersede(scope: &Scope<'_>, past: &Past, by: Revision) {
    for revision in past.serving().filter(|revision| *revision != by) {
        if let Err(error) = history::close(scope.client, scope.lock, revision, Status::Superseded, None).await {
            tracing::warn!(app = %scope.lock.app(), %revision, %error, "a superseded release could not be marked");
        }
    }
}

/// The description of a revision that failed.
pub(super) fn failure(what: &str, why: &ReleaseError) -> String {
    format!("{what} failed: {why}").chars().take(REASON).collect()
}

/// Records that a release failed before anything was changed.
async fn give_up(scope: &Scope<'_>, request: &ReleaseRequest, why: ReleaseError) -> ReleaseError {
    let description = reason(scope, request, &why);
    match history::close(scope.client, scope.lock, request.revision, Status::Failed, Some(&description)).await {
        Ok(()) => failed(request, why, Aftermath::Untouched),
        Err(error) => error,
    }
}

/// Deals with a release that failed on the way. Without the lock nothing may be written: whoever has it heals.
async fn undo(
    scope: &Scope<'_>,
    catalog: Catalog,
    mut past: Past,
    request: ReleaseRequest,
    why: ReleaseError,
) -> ReleaseError {
    if matches!(why, ReleaseError::Lock(_)) {
        return why;
    }
    let description = reason(scope, &request, &why);
    past.objects.extend(request.chart.manifests.iter().cloned());
    let aftermath = rollback::undo(scope, catalog, &past, request.revision, &description).await;
    failed(&request, why, aftermath)
}

fn reason(scope: &Scope<'_>, request: &ReleaseRequest, why: &ReleaseError) -> String {
    tracing::warn!(app = %scope.lock.app(), revision = %request.revision, error = %why, "a release failed");
    failure(&format!("Deploy of {} by {}", request.commit.short(), request.pusher), why)
}

fn failed(request: &ReleaseRequest, why: ReleaseError, aftermath: Aftermath) -> ReleaseError {
    ReleaseError::Failed { revision: request.revision, why: Box::new(why), aftermath }
}

/// Helm's own lock is a pending record, and a number that is taken is somebody's.
fn check_turn(lock: &AppLock, past: &Past, revision: Revision) -> Result<(), ReleaseError> {
    let app = lock.app();
    match past.newest() {
        Some(newest) if newest.status.is_pending() => Err(ReleaseError::pending(app, newest)),
        Some(newest) if newest.revision >= revision => Err(ReleaseError::Taken { app: app.clone(), revision }),
        _ => Ok(()),
    }
}

fn record(lock: &AppLock, request: &ReleaseRequest, past: &Past) -> Record {
    let now = Timestamp::now().to_string();
    let chart = &request.chart;
    let before = past.deployed.as_ref().map(|standing| standing.record.info.first_deployed.clone());
    Record {
        name: lock.app().to_string(),
        namespace: lock.app().to_string(),
        version: request.revision,
        info: Info {
            first_deployed: before.unwrap_or_else(|| now.clone()),
            last_deployed: now,
            status: if past.deployed.is_some() { Status::PendingUpgrade } else { Status::PendingInstall },
            description: format!("Deploying {} by {}", request.commit.short(), request.pusher),
            rest: Map::new(),
        },
        chart: chart_metadata(&chart.name, &chart.version, &chart.app_version),
        config: chart.values.clone(),
        manifest: request.manifest_text.clone(),
        hooks: json!([]),
        apply_method: Some(SERVER_SIDE.to_owned()),
        rest: Map::new(),
    }
}

fn tags(request: &ReleaseRequest) -> Tags {
    let annotations = [
        (labels::COMMIT, request.commit.to_string()),
        (labels::PUSHER, request.pusher.to_string()),
        (labels::DIGEST, request.digest.to_string()),
    ];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value));
    Tags { labels: BTreeMap::new(), annotations: annotations.into() }
}

/// The Service named after the app, or else the first.
fn cluster_ip(applied: &[DynamicObject], app: &str) -> Option<String> {
    let is_service = |object: &&DynamicObject| object.types.as_ref().is_some_and(|types| types.kind == "Service");
    let mut services: Vec<_> = applied.iter().filter(is_service).collect();
    services.sort_by_key(|service| service.metadata.name.as_deref() != Some(app));
    let ip = services.first()?.data.pointer("/spec/clusterIP").and_then(Value::as_str)?;
    (!matches!(ip, "" | "None")).then(|| ip.to_owned())
}
