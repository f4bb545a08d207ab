//! The release Secrets in an app's namespace: reading them, adding one, and writing what became of it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, PartialObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::error::ReleaseError;
use super::lock::AppLock;
use super::record::{Record, Status};
use super::secret::{self, RevisionSummary, Tags};
use crate::clusters::{CallError, call};
use crate::domain::{AppName, BranchName, Revision, labels};

/// How often a record is read again that someone else wrote in the meantime.
const RACES: usize = 3;

/// The app's revisions, oldest first.
///
/// # Errors
/// [`ReleaseError::Api`].
pub async fn list(client: &Client, app: &AppName) -> Result<Vec<RevisionSummary>, ReleaseError> {
    let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(client.clone(), app.as_str());
    let ours = ListParams::default().fields(&format!("type={}", secret::TYPE));
    let list = call("listing the release records", || secrets.list(&ours)).await?;
    let mut revisions: Vec<_> = list.items.iter().filter_map(|secret| secret::summary(app, &secret.metadata)).collect();
    revisions.sort_by_key(|summary| summary.revision);
    Ok(revisions)
}

/// The newest revision of each of `apps` that has any, from one list of the whole cluster: whoever asks needs the right to it.
/// `apps` are in order, and so is what comes back. The list is that of the API server's memory, which may be some moments
/// old: for a consistent one it would read every Secret of the cluster from etcd.
///
/// # Errors
/// [`ReleaseError::Api`].
pub(super) async fn newest_of_each(
    client: &Client,
    apps: Vec<AppName>,
) -> Result<Vec<(AppName, RevisionSummary)>, ReleaseError> {
    let secrets: Api<PartialObjectMeta<Secret>> = Api::all(client.clone());
    let mut newest = BTreeMap::<AppName, Option<RevisionSummary>>::from_iter(apps.into_iter().map(|app| (app, None)));
    let in_memory = ListParams::default().fields(&format!("type={}", secret::TYPE)).at("0");
    let list = call("listing the release records of all apps", || secrets.list(&in_memory)).await?;
    for metadata in list.items.iter().map(|secret| &secret.metadata) {
        let Ok(app) = metadata.namespace.as_deref().unwrap_or_default().parse::<AppName>() else { continue };
        let Some(known) = newest.get_mut(&app) else { continue };
        let found = secret::summary(&app, metadata);
        if found.as_ref().map(|found| found.revision) > known.as_ref().map(|known| known.revision) {
            *known = found;
        }
    }
    Ok(newest.into_iter().filter_map(|(app, found)| Some((app, found?))).collect())
}

/// A record as it was read or written, so that it can be written again without reading it.
pub(super) struct Kept {
    pub record: Record,
    pub tags: Tags,
    pub secret: Secret,
}

/// Reads one record.
pub(super) async fn read(client: &Client, app: &AppName, revision: Revision) -> Result<Kept, ReleaseError> {
    let secret = get(&secrets(client, app), app, revision).await.map_err(|error| match error.is_not_found() {
        true => ReleaseError::NoSuchRevision { app: app.clone(), revision },
        false => error.into(),
    })?;
    let record = secret::record(&secret, revision)?;
    let tags = secret::tags(&secret, &record);
    Ok(Kept { record, tags, secret })
}

/// Adds a record: its Secret. Whoever is told that it exists has lost: this is the lock that even Helm sees.
pub(super) async fn create(
    client: &Client,
    lock: &AppLock,
    record: &Record,
    tags: &Tags,
) -> Result<Secret, ReleaseError> {
    let (app, revision) = (lock.app(), record.version);
    let secret = secret::of(lock, record, tags)?;
    let secrets = secrets(client, app);
    let params = PostParams::default();
    match lock.guard(call(format!("recording {revision}"), || secrets.create(&params, &secret))).await? {
        Ok(created) => Ok(created),
        // If the answer to a first attempt was lost, the record that is in the way is this one.
        Err(error) if error.is_already_exists() => {
            let existing = get(&secrets, app, revision).await?;
            let same = secret::annotation(&existing.metadata, labels::LOCK)
                == secret::annotation(&secret.metadata, labels::LOCK);
            if same { Ok(existing) } else { Err(ReleaseError::Taken { app: app.clone(), revision }) }
        }
        Err(error) => Err(error.into()),
    }
}

/// What is written of a revision.
pub(super) struct End<'a> {
    pub revision: Revision,
    pub status: Status,
    /// Where it says more than before.
    pub description: Option<&'a str>,
}

/// Writes what became of a revision. A record in which someone else wrote something in the meantime is read again.
pub(super) async fn close(client: &Client, lock: &AppLock, end: &End<'_>) -> Result<(), ReleaseError> {
    let secrets = secrets(client, lock.app());
    let mut result = close_once(&secrets, lock, end).await;
    for _ in 1..RACES {
        if !is_conflict(&result) {
            break;
        }
        result = close_once(&secrets, lock, end).await;
    }
    result
}

/// The same of a record that is known: it is read only if someone else wrote something in the meantime.
pub(super) async fn close_known(
    client: &Client,
    lock: &AppLock,
    known: Secret,
    end: &End<'_>,
) -> Result<(), ReleaseError> {
    let written = write(&secrets(client, lock.app()), lock, known, end).await;
    if is_conflict(&written) { close(client, lock, end).await } else { written }
}

fn is_conflict(result: &Result<(), ReleaseError>) -> bool {
    matches!(result, Err(ReleaseError::Api(error)) if error.is_conflict())
}

async fn close_once(secrets: &Api<Secret>, lock: &AppLock, end: &End<'_>) -> Result<(), ReleaseError> {
    write(secrets, lock, get(secrets, lock.app(), end.revision).await?, end).await
}

async fn write(secrets: &Api<Secret>, lock: &AppLock, secret: Secret, end: &End<'_>) -> Result<(), ReleaseError> {
    let End { revision, status, description } = *end;
    let secret = secret::closed(secret, revision, status, description, lock.now())?;
    let (name, params) = (secret::name(lock.app(), revision), PostParams::default());
    let doing = format!("recording {revision} as {}", status.as_str());
    lock.guard(call(doing, || secrets.replace(&name, &params, &secret))).await??;
    Ok(())
}

/// Removes a record. That it is gone already is as good.
pub(super) async fn delete(client: &Client, lock: &AppLock, revision: Revision) -> Result<(), ReleaseError> {
    let (secrets, name) = (secrets(client, lock.app()), secret::name(lock.app(), revision));
    let params = DeleteParams::default();
    match lock.guard(call(format!("removing the record of {revision}"), || secrets.delete(&name, &params))).await? {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Keeps with a release that git could not move `branch` to its commit. The next push to the branch deploys anew,
/// which puts that right.
///
/// # Errors
/// [`ReleaseError::Lock`], [`ReleaseError::Api`].
pub async fn note_unmoved(
    client: &Client,
    lock: &AppLock,
    revision: Revision,
    branch: &BranchName,
) -> Result<(), ReleaseError> {
    let secrets = secrets(client, lock.app());
    let name = secret::name(lock.app(), revision);
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { labels::UNMOVED: branch.as_str() } } }));
    let params = PatchParams::default();
    lock.guard(call(format!("annotating {revision}"), || secrets.patch_metadata(&name, &params, &patch))).await??;
    Ok(())
}

async fn get(secrets: &Api<Secret>, app: &AppName, revision: Revision) -> Result<Secret, CallError> {
    let name = secret::name(app, revision);
    call(format!("reading the record of {revision}"), || secrets.get(&name)).await
}

fn secrets(client: &Client, app: &AppName) -> Api<Secret> {
    Api::namespaced(client.clone(), app.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::api_server;

    #[tokio::test]
    async fn the_newest_of_each_app_is_found_in_the_list_of_all() {
        let client = api_server(|request| {
            assert!(request.uri().to_string().ends_with("&resourceVersion=0"), "{}", request.uri());
            let record = |(app, revision): (&str, u32)| {
                let name = format!("sh.helm.release.v1.{app}.v{revision}");
                json!({"metadata": {"name": name, "namespace": app, "labels": {"status": "deployed"}}})
            };
            let items = [("a", 10), ("a", 2), ("a", 9), ("b", 1), ("foreign", 1)].map(record);
            let (version, kind) = ("meta.k8s.io/v1", "PartialObjectMetadataList");
            (200, json!({"apiVersion": version, "kind": kind, "metadata": {}, "items": items}))
        });
        let apps = ["a", "b", "c"].map(|name| name.parse().unwrap());
        let newest = newest_of_each(&client, apps.into()).await.unwrap();
        let newest: Vec<_> = newest.into_iter().map(|(app, found)| (app.to_string(), found.revision.0)).collect();
        assert_eq!(newest, [("a".to_owned(), 10), ("b".to_owned(), 1)]);
    }
}
