//! The Secret that holds a release record: its name, its labels and annotations, its value. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use super::error::ReleaseError;
use super::lock::AppLock;
use super::plan::{self, ObjectId};
use super::record::{self, Record, Status};
use crate::domain::{AppName, Digest, Manifest, Revision, labels};

/// What Helm calls a Secret that holds a record.
pub const TYPE: &str = "helm.sh/release.v1";
const KEY: &str = "release";
/// The API server's limit on what a Secret holds, less room for a longer description later.
const LIMIT: usize = 1_048_576 - 16_384;
/// How many objects are named where there are too many.
const NAMED: usize = 3;
/// Labels that Helm writes itself; any other belongs to the user and goes along with a rollback.
const SYSTEM: [&str; 6] = ["name", "owner", "status", "version", "createdAt", "modifiedAt"];
/// Annotations that say what a revision is.
const KEPT: [&str; 4] = [labels::COMMIT, labels::PUSHER, labels::DIGEST, labels::FINISHED];
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
    /// How long before `now` its record was made.
    pub fn age(&self, now: Timestamp) -> Duration {
        let age = self.created.map(|created| now.duration_since(created));
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

/// The value of the Secret; a record that would not fit into it is refused.
fn packed(record: &Record) -> Result<Vec<u8>, ReleaseError> {
    let value = record::encode(record).map_err(ReleaseError::Encode)?;
    if value.len() > LIMIT {
        let largest = largest(&record.manifest, record.version);
        return Err(ReleaseError::TooLarge { size: value.len(), limit: LIMIT, largest });
    }
    Ok(value)
}

/// The objects that take the most room.
fn largest(manifest: &str, revision: Revision) -> String {
    let mut objects: Vec<_> = plan::parse(manifest, revision).unwrap_or_default();
    let size = |manifest: &Manifest| manifest.object.to_string().len();
    objects.sort_by_key(|manifest| std::cmp::Reverse(size(manifest)));
    let named =
        objects.iter().take(NAMED).map(|manifest| format!("{} ({} bytes)", ObjectId::of(manifest), size(manifest)));
    named.collect::<Vec<_>>().join(", ")
}

/// The Secret with a record that says what became of the revision.
pub fn closed(
    mut secret: Secret,
    revision: Revision,
    status: Status,
    description: Option<&str>,
    now: Timestamp,
) -> Result<Secret, ReleaseError> {
    let mut record = record(&secret, revision)?;
    if record.info.status.is_pending() && !status.is_pending() {
        secret.annotations_mut().insert(labels::FINISHED.to_owned(), now.to_string());
    }
    record.info.status = status;
    if let Some(description) = description {
        record.info.description = description.to_owned();
    }
    let value = packed(&record)?;
    secret.data.get_or_insert_default().insert(KEY.to_owned(), ByteString(value));
    let labels = secret.labels_mut();
    labels.insert("status".to_owned(), status.as_str().to_owned());
    labels.insert("modifiedAt".to_owned(), now.as_second().to_string());
    Ok(secret)
}

/// Name of a record's Secret.
pub fn name(app: &AppName, revision: Revision) -> String {
    format!("sh.helm.release.v1.{app}.{revision}")
}

/// The record in a Secret.
pub fn record(secret: &Secret, revision: Revision) -> Result<Record, ReleaseError> {
    let value = secret.data.as_ref().and_then(|data| data.get(KEY)).map(|value| value.0.as_slice());
    record::decode(value.unwrap_or_default()).map_err(|source| ReleaseError::Record { revision, source })
}

/// The Secret of a record that is not there yet.
pub fn of(lock: &AppLock, record: &Record, tags: &Tags) -> Result<Secret, ReleaseError> {
    let value = packed(record)?;
    let now = lock.now().as_second().to_string();
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
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(name(lock.app(), record.version)),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.to_owned()),
        data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(value))])),
        ..Secret::default()
    })
}

/// What the Secret says of its revision. Helm drops the annotations of a Secret that it writes anew, but keeps the chart's.
pub fn tags(secret: &Secret, record: &Record) -> Tags {
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
pub fn summary(app: &AppName, metadata: &ObjectMeta) -> Option<RevisionSummary> {
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

/// An annotation, if it is there.
pub fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
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
    fn a_record_that_does_not_fit_names_its_largest_objects() {
        let noise: String = std::iter::repeat_with(|| uuid::Uuid::new_v4().simple().to_string()).take(80_000).collect();
        let manifest = format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: big\ndata:\n  a: {noise}\n\
             ---\napiVersion: v1\nkind: Service\nmetadata:\n  name: small\n"
        );
        let value: String = include_str!("fixtures/helm-4.1.4.b64").split_whitespace().collect();
        let record = Record { manifest, ..record::decode(value.as_bytes()).unwrap() };
        let message = packed(&record).unwrap_err().to_string();
        assert!(message.contains("the largest are configmap/big (25"), "{message}");
        assert!(message.contains(", service/small ("), "{message}");
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
