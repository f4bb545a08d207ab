//! Converts between a release record and its Secret: name, labels, annotations and value. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use super::error::{QueryError, RecordError, StepError};
use super::lock::ReleaseLock;
use super::manifest::parse_manifest;
use super::object_id::ObjectId;
use super::record::{self, Record, ReleaseStatus};
use super::record_list::secret_name;
use crate::domain::{Manifest, Revision, labels};

/// Helm's type of a release Secret.
pub(super) const SECRET_TYPE: &str = "helm.sh/release.v1";
const DATA_KEY: &str = "release";
/// Largest encoded record, in bytes: the API server's limit on a Secret's data, less 16 KiB for a longer description
/// after a failure.
const MAX_ENCODED: usize = 1_048_576 - 16_384;
/// Objects that the error about a record beyond the limit names.
const LARGEST_NAMED: usize = 3;
/// Labels that Helm writes itself. All others belong to the user and are copied to a rollback's record.
const HELM_LABELS: [&str; 6] = ["name", "owner", "status", "version", "createdAt", "modifiedAt"];
/// Annotations that describe a revision and are copied to a rollback's record.
const REVISION_ANNOTATIONS: [&str; 4] = [labels::COMMIT, labels::PUSHER, labels::IMAGE_DIGEST, labels::FINISHED];

/// The labels and annotations of a record's Secret that differ between releases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RecordMetadata {
    /// The user's own labels.
    pub labels: BTreeMap<String, String>,
    /// slipway's annotations: commit, pusher, image.
    pub annotations: BTreeMap<String, String>,
}

/// Encodes a record, if it fits into a Secret.
fn encode_record(record: &Record) -> Result<Vec<u8>, RecordError> {
    let value = record::encode(record).map_err(RecordError::Encode)?;
    if value.len() > MAX_ENCODED {
        let largest = largest_objects(&record.manifest, record.version);
        return Err(RecordError::TooLarge { size: value.len(), limit: MAX_ENCODED, largest });
    }
    Ok(value)
}

fn largest_objects(manifest: &str, revision: Revision) -> String {
    let mut objects: Vec<_> = parse_manifest(manifest, revision).unwrap_or_default();
    let size = |manifest: &Manifest| manifest.object.to_string().len();
    objects.sort_by_key(|manifest| Reverse(size(manifest)));
    let named = objects
        .iter()
        .take(LARGEST_NAMED)
        .map(|manifest| format!("{} ({} bytes)", ObjectId::from_manifest(manifest), size(manifest)));
    named.collect::<Vec<_>>().join(", ")
}

/// The Secret with another status, and another description if it is `Some`. A record that cannot be read keeps its
/// value: its labels end it for helm and slipway.
pub(super) fn with_status(
    mut secret: Secret,
    revision: Revision,
    status: ReleaseStatus,
    description: Option<&str>,
    now: Timestamp,
) -> Result<Secret, StepError> {
    if let Ok(mut record) = decode_record(&secret, revision) {
        if record.info.status.is_pending() && !status.is_pending() {
            secret.annotations_mut().insert(labels::FINISHED.to_owned(), now.to_string());
        }
        record.info.status = status;
        if let Some(description) = description {
            record.info.description = description.to_owned();
        }
        let value = encode_record(&record)?;
        secret.data.get_or_insert_default().insert(DATA_KEY.to_owned(), ByteString(value));
    }
    if !status.is_pending() {
        secret.annotations_mut().remove(labels::READY);
    }
    let labels = secret.labels_mut();
    labels.insert("status".to_owned(), status.as_str().to_owned());
    labels.insert("modifiedAt".to_owned(), now.as_second().to_string());
    Ok(secret)
}

/// Decodes the record of a Secret.
pub(super) fn decode_record(secret: &Secret, revision: Revision) -> Result<Record, QueryError> {
    let value = secret.data.as_ref().and_then(|data| data.get(DATA_KEY)).map(|value| value.0.as_slice());
    record::decode(value.unwrap_or_default()).map_err(|source| QueryError::UnreadableRecord { revision, source })
}

/// The Secret for a new record.
pub(super) fn to_secret(lock: &ReleaseLock, record: &Record, metadata: &RecordMetadata) -> Result<Secret, RecordError> {
    let value = encode_record(record)?;
    let now = lock.now().as_second().to_string();
    let helm_labels = [
        ("owner", "helm".to_owned()),
        ("name", record.name.clone()),
        ("status", record.info.status.as_str().to_owned()),
        ("version", record.version.0.to_string()),
        ("createdAt", now.clone()),
        ("modifiedAt", now),
    ];
    let writer_annotations = [
        (labels::INSTANCE, lock.process().instance.to_string()),
        // With the revision, as one lock may write several records.
        (labels::LOCK_ID, format!("{}-{}", lock.token(), record.version.0)),
    ];
    let owned = |pairs: &[(&str, String)]| -> BTreeMap<_, _> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    };
    let (mut labels, mut annotations) = (metadata.labels.clone(), metadata.annotations.clone());
    labels.extend(owned(&helm_labels));
    annotations.extend(owned(&writer_annotations));
    // A rollback's metadata has the time at which its target finished.
    annotations.remove(labels::FINISHED);
    if !record.info.status.is_pending() {
        annotations.insert(labels::FINISHED.to_owned(), lock.now().to_string());
    }
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(secret_name(lock.target(), record.version)),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        type_: Some(SECRET_TYPE.to_owned()),
        data: Some(BTreeMap::from([(DATA_KEY.to_owned(), ByteString(value))])),
        ..Secret::default()
    })
}

/// The metadata of a stored record. Annotations that the Secret lacks are read from the chart: Helm drops those of a
/// Secret that it rewrites, and keeps the chart's.
pub(super) fn record_metadata(secret: &Secret, record: &Record) -> RecordMetadata {
    let is_users = |(key, _): &(&String, &String)| !HELM_LABELS.contains(&key.as_str());
    let is_copied = |(key, _): &(&String, &String)| REVISION_ANNOTATIONS.contains(&key.as_str());
    let owned = |(key, value): (&String, &String)| (key.clone(), value.clone());
    let in_chart = |key: &&str| Some(((*key).to_owned(), record.chart_annotation(key)?.to_owned()));
    let mut annotations: BTreeMap<_, _> = REVISION_ANNOTATIONS.iter().filter_map(in_chart).collect();
    annotations.extend(secret.annotations().iter().filter(is_copied).map(owned));
    RecordMetadata { labels: secret.labels().iter().filter(is_users).map(owned).collect(), annotations }
}

pub(super) fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
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
    fn the_error_about_a_large_record_names_its_largest_objects() {
        let noise: String = std::iter::repeat_with(|| uuid::Uuid::new_v4().simple().to_string()).take(80_000).collect();
        let manifest = format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: big\ndata:\n  a: {noise}\n\
             ---\napiVersion: v1\nkind: Service\nmetadata:\n  name: small\n"
        );
        let value: String = include_str!("fixtures/helm-4.1.4.b64").split_whitespace().collect();
        let record = Record { manifest, ..record::decode(value.as_bytes()).unwrap() };
        let message = encode_record(&record).unwrap_err().to_string();
        assert!(message.contains("the largest objects are configmap/big (25"), "{message}");
        assert!(message.contains(", service/small ("), "{message}");
    }

    #[test]
    fn the_users_labels_and_slipways_annotations_are_copied_to_a_rollback() {
        let secret = Secret {
            metadata: metadata(
                "x",
                &[("owner", "helm"), ("version", "1"), ("team", "blue")],
                &[(labels::COMMIT, "c"), (labels::LOCK_ID, "l"), (labels::INSTANCE, "i")],
            ),
            ..Secret::default()
        };
        let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let value: String = include_str!("fixtures/helm-4.1.4.b64").split_whitespace().collect();
        let mut record = record::decode(value.as_bytes()).unwrap();
        let read = record_metadata(&secret, &record);
        assert_eq!(read.labels, owned(&[("team", "blue")]));
        assert_eq!(read.annotations, owned(&[(labels::COMMIT, "c")]));
        // Annotations that the Secret lacks come from the chart.
        record.chart = record::chart_metadata("x", "1", "2", &owned(&[(labels::COMMIT, "d"), (labels::PUSHER, "p")]));
        assert_eq!(
            record_metadata(&secret, &record).annotations,
            owned(&[(labels::COMMIT, "c"), (labels::PUSHER, "p")])
        );
    }
}
