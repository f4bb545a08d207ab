//! Storage of release records: Helm's release Secrets in the release's namespace.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, PartialObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::error::{QueryError, RecordError, StepError};
use super::lock::ReleaseLock;
use super::record::{Record, ReleaseStatus};
use super::record_list;
use super::revision_summary::RevisionSummary;
use super::secret::{self, RecordMetadata, SECRET_TYPE};
use crate::domain::{BranchName, NamespaceName, Revision, Target, labels};
use crate::k8s::{ApiError, with_retries};

/// Attempts at a status update, for writes by others between the read and the update.
const ATTEMPTS: usize = 3;

/// Lists the revisions of a release, oldest first.
pub(super) async fn list(client: &Client, target: &Target) -> Result<Vec<RevisionSummary>, QueryError> {
    Ok(record_list::revisions_of(target, &list_namespace(client, &target.namespace).await?))
}

/// Lists the metadata of all records of a namespace.
pub(super) async fn list_namespace(client: &Client, namespace: &NamespaceName) -> Result<Vec<ObjectMeta>, QueryError> {
    let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(client.clone(), namespace.as_str());
    let records = ListParams::default().fields(&format!("type={SECRET_TYPE}"));
    let list = with_retries("listing the release records", || secrets.list(&records)).await?;
    Ok(list.items.into_iter().map(|secret| secret.metadata).collect())
}

/// Lists the metadata of all records of the cluster, which needs the right to list Secrets in all namespaces. The
/// request allows the API server's watch cache (`resourceVersion=0`), which may lag: for a consistent list the server
/// would read every Secret of the cluster from etcd.
pub(super) async fn list_cluster(client: &Client) -> Result<Vec<ObjectMeta>, QueryError> {
    let secrets: Api<PartialObjectMeta<Secret>> = Api::all(client.clone());
    let cached_records = ListParams::default().fields(&format!("type={SECRET_TYPE}")).at("0");
    let list = with_retries("listing the release records of all apps", || secrets.list(&cached_records)).await?;
    Ok(list.items.into_iter().map(|secret| secret.metadata).collect())
}

/// A record together with its Secret, which can be updated without another read.
pub(super) struct StoredRecord {
    pub record: Record,
    pub metadata: RecordMetadata,
    pub secret: Secret,
}

/// Reads one record.
pub(super) async fn read(client: &Client, target: &Target, revision: Revision) -> Result<StoredRecord, QueryError> {
    let secret = get(&secrets(client, target), target, revision).await.map_err(|error| match error.is_not_found() {
        true => QueryError::NoSuchRevision { target: target.clone(), revision },
        false => error.into(),
    })?;
    let record = secret::decode_record(&secret, revision)?;
    let metadata = secret::record_metadata(&secret, &record);
    Ok(StoredRecord { record, metadata, secret })
}

/// Creates the Secret of a record. Helm respects this as a lock: the writer whose creation fails has lost the revision.
pub(super) async fn create(
    client: &Client,
    lock: &ReleaseLock,
    record: &Record,
    metadata: &RecordMetadata,
) -> Result<Secret, StepError> {
    let (target, revision) = (lock.target(), record.version);
    let secret = secret::to_secret(lock, record, metadata)?;
    let secrets = secrets(client, target);
    let params = PostParams::default();
    match lock.guard(with_retries(format!("recording {revision}"), || secrets.create(&params, &secret))).await? {
        Ok(created) => Ok(created),
        // The existing record is our own if the answer to a first attempt was lost.
        Err(error) if error.is_already_exists() => {
            let existing = get(&secrets, target, revision).await?;
            let is_own = secret::annotation(&existing.metadata, labels::LOCK_ID)
                == secret::annotation(&secret.metadata, labels::LOCK_ID);
            if is_own {
                Ok(existing)
            } else {
                Err(RecordError::RevisionExists { target: target.clone(), revision }.into())
            }
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
    lock: &ReleaseLock,
    update: &StatusUpdate<'_>,
) -> Result<(), StepError> {
    let secrets = secrets(client, lock.target());
    let mut result = read_and_update(&secrets, lock, update).await;
    for _ in 1..ATTEMPTS {
        if !is_conflict(&result) {
            break;
        }
        result = read_and_update(&secrets, lock, update).await;
    }
    result
}

/// Updates the status of the record in `secret`, which is read again only if someone else wrote it in the meantime. A
/// record that someone deleted is created again: it describes what runs.
pub(super) async fn update_status_of(
    client: &Client,
    lock: &ReleaseLock,
    secret: Secret,
    update: &StatusUpdate<'_>,
) -> Result<(), StepError> {
    let secrets = secrets(client, lock.target());
    let mut updated = replace_secret(&secrets, lock, secret.clone(), update).await;
    if is_conflict(&updated) {
        updated = update_status(client, lock, update).await;
    }
    match updated {
        Err(StepError::Api(error)) if error.is_not_found() => recreate_secret(&secrets, lock, secret, update).await,
        updated => updated,
    }
}

async fn recreate_secret(
    secrets: &Api<Secret>,
    lock: &ReleaseLock,
    mut secret: Secret,
    update: &StatusUpdate<'_>,
) -> Result<(), StepError> {
    let StatusUpdate { revision, status, description } = *update;
    secret.metadata.resource_version = None;
    secret.metadata.uid = None;
    let secret = secret::with_status(secret, revision, status, description, lock.now())?;
    let (params, action) = (PostParams::default(), format!("recording {revision} again"));
    lock.guard(with_retries(action, || secrets.create(&params, &secret))).await??;
    Ok(())
}

fn is_conflict(result: &Result<(), StepError>) -> bool {
    matches!(result, Err(StepError::Api(error)) if error.is_conflict())
}

async fn read_and_update(
    secrets: &Api<Secret>,
    lock: &ReleaseLock,
    update: &StatusUpdate<'_>,
) -> Result<(), StepError> {
    replace_secret(secrets, lock, get(secrets, lock.target(), update.revision).await?, update).await
}

async fn replace_secret(
    secrets: &Api<Secret>,
    lock: &ReleaseLock,
    secret: Secret,
    update: &StatusUpdate<'_>,
) -> Result<(), StepError> {
    let StatusUpdate { revision, status, description } = *update;
    let secret = secret::with_status(secret, revision, status, description, lock.now())?;
    let (name, params) = (record_list::secret_name(lock.target(), revision), PostParams::default());
    let action = format!("recording {revision} as {}", status.as_str());
    lock.guard(with_retries(action, || secrets.replace(&name, &params, &secret))).await??;
    Ok(())
}

/// Deletes a record, if it still exists.
pub(super) async fn delete(client: &Client, lock: &ReleaseLock, revision: Revision) -> Result<(), StepError> {
    let (secrets, name) = (secrets(client, lock.target()), record_list::secret_name(lock.target(), revision));
    let params = DeleteParams::default();
    match lock
        .guard(with_retries(format!("deleting the record of {revision}"), || secrets.delete(&name, &params)))
        .await?
    {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Annotates the pending record in `secret`: its objects are ready. If someone else wrote or deleted the Secret in the
/// meantime, the annotation is left out: it only spares a recovery the way back.
pub(super) async fn mark_ready(
    client: &Client,
    lock: &ReleaseLock,
    secret: &mut Secret,
    revision: Revision,
) -> Result<(), StepError> {
    let (secrets, name) = (secrets(client, lock.target()), record_list::secret_name(lock.target(), revision));
    let patch = Patch::Merge(json!({ "metadata": {
        "resourceVersion": secret.metadata.resource_version,
        "annotations": { labels::READY: lock.now().to_string() },
    }}));
    let params = PatchParams::default();
    let marking =
        with_retries(format!("marking {revision} as ready"), || secrets.patch_metadata(&name, &params, &patch));
    match lock.guard(marking).await? {
        Ok(marked) => secret.metadata = marked.metadata,
        Err(error) => {
            tracing::warn!(app = %lock.target(), %revision, %error, "a revision could not be marked as ready")
        }
    }
    Ok(())
}

/// Annotates the record of a live revision whose `branch` git could not move to its commit. The next push to the branch
/// deploys again, which ends this state.
///
/// # Errors
/// [`StepError::Lock`], [`StepError::Api`].
pub async fn record_unmoved_branch(
    client: &Client,
    lock: &ReleaseLock,
    revision: Revision,
    branch: &BranchName,
) -> Result<(), StepError> {
    let secrets = secrets(client, lock.target());
    let name = record_list::secret_name(lock.target(), revision);
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { labels::UNMOVED_BRANCH: branch.as_str() } } }));
    let params = PatchParams::default();
    lock.guard(with_retries(format!("annotating {revision}"), || secrets.patch_metadata(&name, &params, &patch)))
        .await??;
    Ok(())
}

async fn get(secrets: &Api<Secret>, target: &Target, revision: Revision) -> Result<Secret, ApiError> {
    let name = record_list::secret_name(target, revision);
    with_retries(format!("reading the record of {revision}"), || secrets.get(&name)).await
}

fn secrets(client: &Client, target: &Target) -> Api<Secret> {
    Api::namespaced(client.clone(), target.namespace.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fake_api_server;

    #[tokio::test]
    async fn a_list_of_the_whole_cluster_comes_from_the_watch_cache() {
        let client = fake_api_server(|request| {
            assert!(request.uri().to_string().ends_with("&resourceVersion=0"), "{}", request.uri());
            let (version, kind) = ("meta.k8s.io/v1", "PartialObjectMetadataList");
            let item = json!({"metadata": {"name": "sh.helm.release.v1.a.v1", "namespace": "a"}});
            (200, json!({"apiVersion": version, "kind": kind, "metadata": {}, "items": [item]}))
        });
        let records = list_cluster(&client).await.unwrap();
        assert_eq!(records[0].name.as_deref(), Some("sh.helm.release.v1.a.v1"));
    }
}
