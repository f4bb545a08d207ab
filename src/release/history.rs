//! The release Secrets in an app's namespace: reading them, adding one, and writing what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, PartialObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::call::{CallError, call};
use super::error::ReleaseError;
use super::lock::AppLock;
use super::record::{self, Record, Status};
use crate::domain::{AppName, BranchName, Digest, Revision, labels};

const TYPE: &str = "helm.sh/release.v1";
const KEY: &str = "release";
/// The API server's limit on what a Secret holds, less room for a longer description later.
const LIMIT: usize = 1_048_576 - 16_384;
/// Labels that Helm writes itself; any other belongs to the user and goes along with a rollback.
const SYSTEM: [&str; 6] = ["name", "owner", "status", "version", "createdAt", "modifiedAt"];
/// Annotations that say what a revision is.
const KEPT: [&str; 4] = [labels::COMMIT, labels::PUSHER, labels::DIGEST, labels::FINISHED];
/// How often a record is read again that someone else wrote in the meantime.
const RACES: usize = 3;

/// A revision, as far as its Secret's metadata tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevisionSummary {
    /// Its number.
    pub revision: Revision,
    /// What became of it.
    pub status: Status,
    /// When its record was created.
    pub created: Option<Timestamp>,
    /// Whether a slipway wrote this record. Labels would not tell: Helm's rollback copies them.
    pub ours: bool,
    /// The digest of its image, where slipway deployed it.
    pub image: Option<Digest>,
}

impl RevisionSummary {
    /// How long ago its record was made, by this machine's clock.
    pub fn age(&self) -> Duration {
        let age = self.created.map(|created| Timestamp::now().duration_since(created));
        age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
    }
}

/// Labels and annotations of a record's Secret beyond those that every record has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// The user's own labels.
    pub labels: BTreeMap<String, String>,
    /// slipway's annotations: commit, pusher, image.
    pub annotations: BTreeMap<String, String>,
}

/// The app's revisions, oldest first.
///
/// # Errors
/// [`ReleaseError::Api`].
pub async fn list(client: &Client, app: &AppName) -> Result<Vec<RevisionSummary>, ReleaseError> {
    let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(client.clone(), app.as_str());
    let ours = ListParams::default().fields(&format!("type={TYPE}"));
    let list = call("listing the release records", || secrets.list(&ours)).await?;
    let mut revisions: Vec<_> = list.items.iter().filter_map(|secret| summary(app, &secret.metadata)).collect();
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
    let record = decode(&secret, revision)?;
    let tags = tags(&secret, &record);
    Ok((record, tags))
}

/// Refuses a record that would not fit into its Secret.
pub(super) fn check_size(record: &Record) -> Result<Vec<u8>, ReleaseError> {
    let value = record::encode(record).map_err(ReleaseError::Encode)?;
    if value.len() > LIMIT {
        return Err(ReleaseError::TooLarge { size: value.len(), limit: LIMIT });
    }
    Ok(value)
}

/// Adds a record. Whoever is told that it exists has lost: this is the lock that even Helm sees.
pub(super) async fn create(client: &Client, lock: &AppLock, record: &Record, tags: &Tags) -> Result<(), ReleaseError> {
    let (app, revision) = (lock.app(), record.version);
    let secret = new_secret(lock, record, tags, check_size(record)?);
    let secrets = secrets(client, app);
    let params = PostParams::default();
    match lock.guard(call(format!("recording {revision}"), || secrets.create(&params, &secret))).await? {
        Ok(_) => Ok(()),
        // If the answer to a first attempt was lost, the record that is in the way is this one.
        Err(error) if error.is_already_exists() => {
            let existing = get(&secrets, app, revision).await?;
            let same = annotation(&existing.metadata, labels::LOCK) == annotation(&secret.metadata, labels::LOCK);
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
    let mut secret = get(secrets, lock.app(), revision).await?;
    let mut record = decode(&secret, revision)?;
    if record.info.status.is_pending() && !status.is_pending() {
        secret.annotations_mut().insert(labels::FINISHED.to_owned(), Timestamp::now().to_string());
    }
    record.info.status = status;
    if let Some(description) = description {
        record.info.description = description.to_owned();
    }
    let value = check_size(&record)?;
    secret.data.get_or_insert_default().insert(KEY.to_owned(), ByteString(value));
    let labels = secret.labels_mut();
    labels.insert("status".to_owned(), status.as_str().to_owned());
    labels.insert("modifiedAt".to_owned(), Timestamp::now().as_second().to_string());
    let (name, params) = (secret_name(lock.app(), revision), PostParams::default());
    let doing = format!("recording {revision} as {}", status.as_str());
    lock.guard(call(doing, || secrets.replace(&name, &params, &secret))).await??;
    Ok(())
}

/// Removes a record. That it is gone already is as good.
pub(super) async fn delete(client: &Client, lock: &AppLock, revision: Revision) -> Result<(), ReleaseError> {
    let (secrets, name) = (secrets(client, lock.app()), secret_name(lock.app(), revision));
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
    let name = secret_name(lock.app(), revision);
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { labels::UNMOVED: branch.as_str() } } }));
    let params = PatchParams::default();
    lock.guard(call(format!("annotating {revision}"), || secrets.patch_metadata(&name, &params, &patch))).await??;
    Ok(())
}

async fn get(secrets: &Api<Secret>, app: &AppName, revision: Revision) -> Result<Secret, CallError> {
    let name = secret_name(app, revision);
    call(format!("reading the record of {revision}"), || secrets.get(&name)).await
}

fn secrets(client: &Client, app: &AppName) -> Api<Secret> {
    Api::namespaced(client.clone(), app.as_str())
}

fn secret_name(app: &AppName, revision: Revision) -> String {
    format!("sh.helm.release.v1.{app}.{revision}")
}

fn decode(secret: &Secret, revision: Revision) -> Result<Record, ReleaseError> {
    let value = secret.data.as_ref().and_then(|data| data.get(KEY)).map(|value| value.0.as_slice());
    record::decode(value.unwrap_or_default()).map_err(|source| ReleaseError::Record { revision, source })
}

fn new_secret(lock: &AppLock, record: &Record, tags: &Tags, value: Vec<u8>) -> Secret {
    let now = Timestamp::now().as_second().to_string();
    let system = [
        ("owner", "helm".to_owned()),
        ("name", record.name.clone()),
        ("status", record.info.status.as_str().to_owned()),
        ("version", record.version.0.to_string()),
        ("createdAt", now.clone()),
        ("modifiedAt", now),
    ];
    let own = [
        (labels::INSTANCE, lock.gateway().instance.to_string()),
        // The lock may outlive several records of a deploy, so it takes the revision to tell them apart.
        (labels::LOCK, format!("{}-{}", lock.token(), record.version.0)),
    ];
    let owned = |pairs: &[(&str, String)]| -> BTreeMap<_, _> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    };
    let (mut labels, mut annotations) = (tags.labels.clone(), tags.annotations.clone());
    labels.extend(owned(&system));
    annotations.extend(owned(&own));
    // what is repeated was finished; this is not
    annotations.remove(labels::FINISHED);
    Secret {
        metadata: ObjectMeta {
            name: Some(secret_name(lock.app(), record.version)),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.to_owned()),
        data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(value))])),
        ..Secret::default()
    }
}

/// Helm drops the annotations of a Secret that it writes anew, but keeps the chart's.
fn tags(secret: &Secret, record: &Record) -> Tags {
    let user = |(key, _): &(&String, &String)| !SYSTEM.contains(&key.as_str());
    let kept = |(key, _): &(&String, &String)| KEPT.contains(&key.as_str());
    let owned = |(key, value): (&String, &String)| (key.clone(), value.clone());
    let in_chart = |key: &&str| Some(((*key).to_owned(), record.chart_annotation(key)?.to_owned()));
    let mut annotations: BTreeMap<_, _> = KEPT.iter().filter_map(in_chart).collect();
    annotations.extend(secret.annotations().iter().filter(kept).map(owned));
    Tags { labels: secret.labels().iter().filter(user).map(owned).collect(), annotations }
}

/// What the metadata of a Secret says; `None` if its name is not that of a record of the app. The number is taken from
/// the name, which is what makes a number taken.
fn summary(app: &AppName, metadata: &ObjectMeta) -> Option<RevisionSummary> {
    let prefix = format!("sh.helm.release.v1.{app}.v");
    let revision = metadata.name.as_deref()?.strip_prefix(&prefix)?.parse().ok()?;
    let status = metadata.labels.as_ref().and_then(|labels| labels.get("status"));
    Some(RevisionSummary {
        revision: Revision(revision),
        status: status.and_then(|word| Status::from_word(word)).unwrap_or(Status::Unknown),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0),
        ours: annotation(metadata, labels::INSTANCE).is_some(),
        image: annotation(metadata, labels::DIGEST).and_then(|text| text.parse().ok()),
    })
}

fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(name: &str, labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> ObjectMeta {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(map(labels)),
            annotations: Some(map(annotations)),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn the_number_comes_from_the_name() {
        let app: AppName = "myapp".parse().unwrap();
        let read = |name: &str| summary(&app, &metadata(name, &[("status", "deployed"), ("version", "9")], &[]));
        assert_eq!(read("sh.helm.release.v1.myapp.v12").unwrap().revision, Revision(12));
        assert_eq!(read("sh.helm.release.v1.myapp.v12").unwrap().status, Status::Deployed);
        for other in ["sh.helm.release.v1.myapp-2.v1", "sh.helm.release.v1.myapp.vx", "sh.helm.release.v1.my.v1"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn only_an_annotation_tells_who_wrote_a_record() {
        let app: AppName = "myapp".parse().unwrap();
        let read =
            |annotations| summary(&app, &metadata("sh.helm.release.v1.myapp.v1", &[], annotations)).unwrap().ours;
        assert!(read(&[(labels::INSTANCE, "x")]));
        assert!(!read(&[]));
    }

    #[test]
    fn the_users_labels_and_our_annotations_go_along_with_a_rollback() {
        let secret = Secret {
            metadata: metadata(
                "x",
                &[("owner", "helm"), ("version", "1"), ("team", "blue")],
                &[(labels::COMMIT, "c"), (labels::LOCK, "l"), (labels::INSTANCE, "i")],
            ),
            ..Secret::default()
        };
        let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let value: String = include_str!("fixtures/helm-4.1.4.b64").split_whitespace().collect();
        let mut record = record::decode(value.as_bytes()).unwrap();
        let read = tags(&secret, &record);
        assert_eq!(read.labels, owned(&[("team", "blue")]));
        assert_eq!(read.annotations, owned(&[(labels::COMMIT, "c")]));
        // what the Secret does not say any more, the chart does
        record.chart = record::chart_metadata("x", "1", "2", &owned(&[(labels::COMMIT, "d"), (labels::PUSHER, "p")]));
        assert_eq!(tags(&secret, &record).annotations, owned(&[(labels::COMMIT, "c"), (labels::PUSHER, "p")]));
    }
}
