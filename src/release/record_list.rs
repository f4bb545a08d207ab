//! Which of the listed records belong to a release. Pure.
//!
//! A namespace may hold the records of several releases. The name of a record's Secret says whose it is; its labels do
//! not make it unique.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::record::ReleaseStatus;
use super::revision_summary::RevisionSummary;
use crate::domain::{Revision, Target, labels};

/// Helm's prefix of the name of a record's Secret: the version of the record's format.
const NAME_PREFIX: &str = "sh.helm.release.v1.";

/// The name of a record's Secret.
pub(super) fn secret_name(target: &Target, revision: Revision) -> String {
    format!("{NAME_PREFIX}{}.{revision}", target.release)
}

/// The release and the revision that the name of a Secret holds; `None` if the Secret is not a record. The name of the
/// release may contain dots.
fn parse_secret_name(name: &str) -> Option<(&str, Revision)> {
    let (release, revision) = name.strip_prefix(NAME_PREFIX)?.rsplit_once('.')?;
    let revision = revision.starts_with('v').then(|| revision.parse().ok()).flatten()?;
    Some((release, revision))
}

/// The revisions of a release among the records of its namespace, oldest first.
pub(super) fn revisions_of(target: &Target, records: &[ObjectMeta]) -> Vec<RevisionSummary> {
    let summaries = records.iter().filter_map(|metadata| {
        let (release, revision) = parse_secret_name(metadata.name.as_deref()?)?;
        (release == target.release.as_str()).then(|| summary(revision, metadata))
    });
    let mut revisions: Vec<_> = summaries.collect();
    revisions.sort_by_key(|summary| summary.revision);
    revisions
}

/// The newest revision of each target that has one, in the order of `targets`. The records may be those of many
/// namespaces.
pub(super) fn newest_revisions(targets: Vec<Target>, records: &[ObjectMeta]) -> Vec<(Target, RevisionSummary)> {
    let mut newest = BTreeMap::<(&str, &str), (Revision, &ObjectMeta)>::new();
    for metadata in records {
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let Some((release, revision)) = metadata.name.as_deref().and_then(parse_secret_name) else { continue };
        let known = newest.entry((namespace, release)).or_insert((revision, metadata));
        if revision > known.0 {
            *known = (revision, metadata);
        }
    }
    let found = targets.into_iter().filter_map(|target| {
        let newest = newest.get(&(target.namespace.as_str(), target.release.as_str()));
        let summary = newest.map(|(revision, metadata)| summary(*revision, metadata))?;
        Some((target, summary))
    });
    found.collect()
}

/// Reads a revision's summary from its Secret's metadata. The number comes from the Secret's name, which is what makes
/// it unique.
fn summary(revision: Revision, metadata: &ObjectMeta) -> RevisionSummary {
    let annotation = |key: &str| metadata.annotations.as_ref()?.get(key).map(String::as_str);
    let status = metadata.labels.as_ref().and_then(|labels| labels.get("status"));
    RevisionSummary {
        revision,
        status: status.and_then(|label| ReleaseStatus::from_label(label)).unwrap_or(ReleaseStatus::Unknown),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0),
        written_by_slipway: annotation(labels::INSTANCE).is_some(),
        instance: annotation(labels::INSTANCE).and_then(|text| text.parse().ok()),
        is_ready: annotation(labels::READY).is_some(),
        image: annotation(labels::IMAGE_DIGEST).and_then(|text| text.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::target;

    fn record(namespace: &str, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(format!("sh.helm.release.v1.{name}")),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        }
    }

    fn with_metadata(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> RevisionSummary {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let metadata = ObjectMeta {
            labels: Some(map(labels)),
            annotations: Some(map(annotations)),
            ..record("myapp", "myapp.v12")
        };
        revisions_of(&target("myapp", "myapp"), &[metadata]).pop().unwrap()
    }

    #[test]
    fn the_revision_comes_from_the_secrets_name() {
        let summary = with_metadata(&[("status", "deployed"), ("version", "9"), ("name", "other")], &[]);
        assert_eq!((summary.revision, summary.status), (Revision(12), ReleaseStatus::Deployed));
    }

    #[test]
    fn only_an_annotation_marks_a_record_of_slipways() {
        assert!(with_metadata(&[], &[(labels::INSTANCE, "x")]).written_by_slipway);
        assert!(!with_metadata(&[], &[]).written_by_slipway);
    }

    #[test]
    fn a_release_has_only_its_own_records_of_a_shared_namespace() {
        let names =
            ["web.v2", "web.v10", "web.v1", "web.v1.v3", "web-2.v4", "we.v5", "web.vx", "web.6", "web.v+7", "v8"];
        let records = names.map(|name| record("shop", name));
        let revisions = |release: &str| -> Vec<u32> {
            revisions_of(&target("shop", release), &records).iter().map(|summary| summary.revision.0).collect()
        };
        assert_eq!(revisions("web"), [1, 2, 10]);
        assert_eq!(revisions("web.v1"), [3]);
        assert_eq!(revisions("web-2"), [4]);
        assert_eq!(revisions("shop"), Vec::<u32>::new());
        assert_eq!(secret_name(&target("shop", "web.v1"), Revision(3)), "sh.helm.release.v1.web.v1.v3");
    }

    #[test]
    fn the_newest_revision_is_found_by_namespace_and_release() {
        let records =
            [("a", "a.v10"), ("a", "a.v2"), ("a", "a.v9"), ("a", "b.v3"), ("b", "b.v1"), ("foreign", "a.v11")];
        let records = records.map(|(namespace, name)| record(namespace, name));
        let targets = [("b", "b"), ("a", "b"), ("a", "a"), ("a", "c"), ("c", "c")];
        let targets = targets.map(|(namespace, release)| target(namespace, release));
        let newest = newest_revisions(targets.to_vec(), &records);
        let newest: Vec<_> = newest.into_iter().map(|(target, found)| (target.to_string(), found.revision.0)).collect();
        let expected = [("b", 1), ("release b in namespace a", 3), ("a", 10)];
        assert_eq!(newest, expected.map(|(target, revision)| (target.to_owned(), revision)));
    }
}
