//! Storage of release records: Helm's release Secrets in the app's namespace.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, PartialObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::error::ReleaseError;
use super::lock::AppLock;
use super::record::{Record, ReleaseStatus};
use super::revision_summary::RevisionSummary;
use super::secret::{self, RecordMetadata, SECRET_TYPE};
use crate::domain::{AppName, BranchName, Revision, labels};
use crate::k8s::{ApiError, with_retries};

/// Attempts at a status update, for writes by others between the read and the update.
const ATTEMPTS: usize = 3;

/// Lists the app's revisions, oldest first.
pub(super) async fn list(client: &Client, app: &AppName) -> Result<Vec<RevisionSummary>, ReleaseError> {
    let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(client.clone(), app.as_str());
    let records = ListParams::default().fields(&format!("type={SECRET_TYPE}"));
    let list = with_retries("listing the release records", || secrets.list(&records)).await?;
    let summaries = list.items.iter().filter_map(|secret| secret::revision_summary(app, &secret.metadata));
    let mut revisions: Vec<_> = summaries.collect();
    revisions.sort_by_key(|summary| summary.revision);
    Ok(revisions)
}

/// Lists the newest revision of each app that has one, in the order of `apps`, which is sorted. The request needs the
/// right to list Secrets in the whole cluster. It allows the API server's watch cache (`resourceVersion=0`), which may
/// lag: for a consistent list the server would read every Secret of the cluster from etcd.
pub(super) async fn list_newest(
    client: &Client,
    apps: Vec<AppName>,
) -> Result<Vec<(AppName, RevisionSummary)>, ReleaseError> {
    let secrets: Api<PartialObjectMeta<Secret>> = Api::all(client.clone());
    let mut newest = BTreeMap::<AppName, Option<RevisionSummary>>::from_iter(apps.into_iter().map(|app| (app, None)));
    let cached_records = ListParams::default().fields(&format!("type={SECRET_TYPE}")).at("0");
    let list = with_retries("listing the release records of all apps", || secrets.list(&cached_records)).await?;
    for metadata in list.items.iter().map(|secret| &secret.metadata) {
        let Ok(app) = metadata.namespace.as_deref().unwrap_or_default().parse::<AppName>() else { continue };
        let Some(known) = newest.get_mut(&app) else { continue };
        let found = secret::revision_summary(&app, metadata);
        if found.as_ref().map(|found| found.revision) > known.as_ref().map(|known| known.revision) {
            *known = found;
        }
    }
    Ok(newest.into_iter().filter_map(|(app, found)| Some((app, found?))).collect())
}

/// A record together with its Secret, which can be updated without another read.
pub(super) struct StoredRecord {
    pub record: Record,
    pub metadata: RecordMetadata,
    pub secret: Secret,
}

/// Reads one record.
pub(super) async fn read(client: &Client, app: &AppName, revision: Revision) -> Result<StoredRecord, ReleaseError> {
    let secret = get(&secrets(client, app), app, revision).await.map_err(|error| match error.is_not_found() {
        true => ReleaseError::NoSuchRevision { app: app.clone(), revision },
        false => error.into(),
    })?;
    let record = secret::decode_record(&secret, revision)?;
    let metadata = secret::record_metadata(&secret, &record);
    Ok(StoredRecord { record, metadata, secret })
}

/// Creates the Secret of a record. Helm respects this as a lock: the writer whose creation fails has lost the revision.
pub(super) async fn create(
    client: &Client,
    lock: &AppLock,
    record: &Record,
    metadata: &RecordMetadata,
) -> Result<Secret, ReleaseError> {
    let (app, revision) = (lock.app(), record.version);
    let secret = secret::to_secret(lock, record, metadata)?;
    let secrets = secrets(client, app);
    let params = PostParams::default();
    match lock.guard(with_retries(format!("recording {revision}"), || secrets.create(&params, &secret))).await? {
        Ok(created) => Ok(created),
        // The existing record is our own if the answer to a first attempt was lost.
        Err(error) if error.is_already_exists() => {
            let existing = get(&secrets, app, revision).await?;
            let is_own = secret::annotation(&existing.metadata, labels::LOCK_ID)
                == secret::annotation(&secret.metadata, labels::LOCK_ID);
            if is_own { Ok(existing) } else { Err(ReleaseError::RevisionExists { app: app.clone(), revision }) }
        }
        Err(error) => Err(error.into()),
    }
}

/// The new status of a revision.
pub(super) struct StatusUpdate<'a> {
    pub revision: Revision,
    pub status: ReleaseStatus,
    /// `None` keeps the description.
    pub description: Option<&'a str>,
}

/// Reads a record and updates its status; again if someone else wrote the Secret in between.
pub(super) async fn update_status(
    client: &Client,
    lock: &AppLock,
    update: &StatusUpdate<'_>,
) -> Result<(), ReleaseError> {
    let secrets = secrets(client, lock.app());
    let mut result = read_and_update(&secrets, lock, update).await;
    for _ in 1..ATTEMPTS {
        if !is_conflict(&result) {
            break;
        }
        result = read_and_update(&secrets, lock, update).await;
    }
    result
}

/// Updates the status of the record in `secret`, which is read again only if someone else wrote it in the meantime.
pub(super) async fn update_status_of(
    client: &Client,
    lock: &AppLock,
    secret: Secret,
    update: &StatusUpdate<'_>,
) -> Result<(), ReleaseError> {
    let updated = replace_secret(&secrets(client, lock.app()), lock, secret, update).await;
    if is_conflict(&updated) { update_status(client, lock, update).await } else { updated }
}

fn is_conflict(result: &Result<(), ReleaseError>) -> bool {
    matches!(result, Err(ReleaseError::Api(error)) if error.is_conflict())
}

async fn read_and_update(secrets: &Api<Secret>, lock: &AppLock, update: &StatusUpdate<'_>) -> Result<(), ReleaseError> {
    replace_secret(secrets, lock, get(secrets, lock.app(), update.revision).await?, update).await
}

async fn replace_secret(
    secrets: &Api<Secret>,
    lock: &AppLock,
    secret: Secret,
    update: &StatusUpdate<'_>,
) -> Result<(), ReleaseError> {
    let StatusUpdate { revision, status, description } = *update;
    let secret = secret::with_status(secret, revision, status, description, lock.now())?;
    let (name, params) = (secret::secret_name(lock.app(), revision), PostParams::default());
    let action = format!("recording {revision} as {}", status.as_str());
    lock.guard(with_retries(action, || secrets.replace(&name, &params, &secret))).await??;
    Ok(())
}

/// Deletes a record, if it still exists.
pub(super) async fn delete(client: &Client, lock: &AppLock, revision: Revision) -> Result<(), ReleaseError> {
    let (secrets, name) = (secrets(client, lock.app()), secret::secret_name(lock.app(), revision));
    let params = DeleteParams::default();
    match lock
        .guard(with_retries(format!("deleting the record of {revision}"), || secrets.delete(&name, &params)))
        .await?
    {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Annotates the record of a live revision whose `branch` git could not move to its commit. The next push to the branch
/// deploys again, which ends this state.
///
/// # Errors
/// [`ReleaseError::Lock`], [`ReleaseError::Api`].
pub async fn record_unmoved_branch(
    client: &Client,
    lock: &AppLock,
    revision: Revision,
    branch: &BranchName,
) -> Result<(), ReleaseError> {
    let secrets = secrets(client, lock.app());
    let name = secret::secret_name(lock.app(), revision);
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { labels::UNMOVED_BRANCH: branch.as_str() } } }));
    let params = PatchParams::default();
    lock.guard(with_retries(format!("annotating {revision}"), || secrets.patch_metadata(&name, &params, &patch)))
        .await??;
    Ok(())
}

async fn get(secrets: &Api<Secret>, app: &AppName, revision: Revision) -> Result<Secret, ApiError> {
    let name = secret::secret_name(app, revision);
    with_retries(format!("reading the record of {revision}"), || secrets.get(&name)).await
}

fn secrets(client: &Client, app: &AppName) -> Api<Secret> {
    Api::namespaced(client.clone(), app.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fake_api_server;

    #[tokio::test]
    async fn a_list_of_all_namespaces_yields_the_newest_revision_of_each_app() {
        let client = fake_api_server(|request| {
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
        let newest = list_newest(&client, apps.into()).await.unwrap();
        let newest: Vec<_> = newest.into_iter().map(|(app, found)| (app.to_string(), found.revision.0)).collect();
        assert_eq!(newest, [("a".to_owned(), 10), ("b".to_owned(), 1)]);
    }
}
