//! The release Secrets in an app's namespace: reading them, adding one, and writing what became of it.

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

/// The number of the next release: one more than the highest, whoever made that.
///
/// # Errors
/// [`ReleaseError::Api`].
pub async fn next_revision(client: &Client, app: &AppName) -> Result<Revision, ReleaseError> {
    Ok(list(client, app).await?.last().map_or(Revision(1), |newest| newest.revision.next()))
}

/// Reads one record.
pub(super) async fn read(client: &Client, app: &AppName, revision: Revision) -> Result<(Record, Tags), ReleaseError> {
    let secret = get(&secrets(client, app), app, revision).await.map_err(|error| match error.is_not_found() {
        true => ReleaseError::NoSuchRevision { app: app.clone(), revision },
        false => error.into(),
    })?;
    let record = secret::record(&secret, revision)?;
    let tags = secret::tags(&secret, &record);
    Ok((record, tags))
}

/// Adds a record. Whoever is told that it exists has lost: this is the lock that even Helm sees.
pub(super) async fn create(client: &Client, lock: &AppLock, record: &Record, tags: &Tags) -> Result<(), ReleaseError> {
    let (app, revision) = (lock.app(), record.version);
    let secret = secret::of(lock, record, tags)?;
    let secrets = secrets(client, app);
    let params = PostParams::default();
    match lock.guard(call(format!("recording {revision}"), || secrets.create(&params, &secret))).await? {
        Ok(_) => Ok(()),
        // If the answer to a first attempt was lost, the record that is in the way is this one.
        Err(error) if error.is_already_exists() => {
            let existing = get(&secrets, app, revision).await?;
            let same = secret::annotation(&existing.metadata, labels::LOCK)
                == secret::annotation(&secret.metadata, labels::LOCK);
            if same { Ok(()) } else { Err(ReleaseError::Taken { app: app.clone(), revision }) }
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes what became of a revision. A record in which someone else wrote something in the meantime is read again.
pub(super) async fn close(
    client: &Client,
    lock: &AppLock,
    revision: Revision,
    status: Status,
    description: Option<&str>,
) -> Result<(), ReleaseError> {
    let secrets = secrets(client, lock.app());
    let mut result = close_once(&secrets, lock, revision, status, description).await;
    for _ in 1..RACES {
        match &result {
            Err(ReleaseError::Api(error)) if error.is_conflict() => {}
            _ => break,
        }
        result = close_once(&secrets, lock, revision, status, description).await;
    }
    result
}

async fn close_once(
    secrets: &Api<Secret>,
    lock: &AppLock,
    revision: Revision,
    status: Status,
    description: Option<&str>,
) -> Result<(), ReleaseError> {
    let secret = secret::closed(get(secrets, lock.app(), revision).await?, revision, status, description, lock.now())?;
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
