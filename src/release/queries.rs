//! Read-only queries about releases: the history, one revision, and differences.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use serde::Serialize;
use serde_json::Value;

use super::diff;
use super::discovery::{ApiDiscovery, DiscoveryError};
use super::error::QueryError;
use super::history::{StoredRelease, find_deployed};
use super::record::{Record, ReleaseStatus};
use super::record_list::newest_revisions;
use super::revision_summary::RevisionSummary;
use super::secret::RecordMetadata;
use super::storage;
use super::unmanaged::{cluster_scoped, hooks};
use crate::domain::{NamespaceName, Revision, Target, labels};

/// Requests that run concurrently.
const CONCURRENT_READS: usize = 8;

/// One row of the release history. Commit, pusher, image and seconds are `None` for a revision that helm deployed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReleaseInfo {
    pub revision: Revision,
    pub status: ReleaseStatus,
    /// Name and version of the chart, as `helm list` prints them.
    pub chart: Option<String>,
    pub app_version: Option<String>,
    pub commit: Option<String>,
    pub pusher: Option<String>,
    /// The image's digest.
    pub image: Option<String>,
    /// Start of the deploy.
    pub deployed: Option<Timestamp>,
    /// Time from then until the revision was live or failed.
    pub seconds: Option<f64>,
    pub description: String,
}

/// A revision with its objects. The values of Secrets are masked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReleaseDetails {
    #[serde(flatten)]
    pub info: ReleaseInfo,
    pub manifests: Vec<Value>,
}

impl ReleaseDetails {
    /// The objects as YAML documents.
    ///
    /// # Errors
    /// [`QueryError::SerializeObject`]
    pub fn manifest(&self) -> Result<String, QueryError> {
        let documents = self.manifests.iter().map(|object| Ok(format!("---\n{}", diff::to_yaml(object)?)));
        documents.collect()
    }
}

/// The difference between two revisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RevisionDiff {
    pub from: Revision,
    pub to: Revision,
    /// A unified diff of the objects; empty if they are equal.
    pub text: String,
}

/// How [`newest_releases`] lists the records of many releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListScope {
    /// One request for the whole cluster, which needs the right to list Secrets in all namespaces.
    ClusterWide,
    /// One request per namespace.
    PerNamespace,
}

/// The newest `limit` revisions of a release, oldest first. For a record that cannot be read, the description is the
/// error.
///
/// # Errors
/// [`QueryError::Api`].
pub async fn list_releases(client: &Client, target: &Target, limit: usize) -> Result<Vec<ReleaseInfo>, QueryError> {
    let revisions = storage::list(client, target).await?;
    let newest = revisions.into_iter().rev().take(limit).collect::<Vec<_>>();
    let infos = newest.into_iter().rev().map(|summary| read_info(client, target, summary));
    let infos: Vec<Option<ReleaseInfo>> = stream::iter(infos).buffered(CONCURRENT_READS).try_collect().await?;
    Ok(infos.into_iter().flatten().collect())
}

/// The newest revision of each target that has one, in the order of `targets`.
///
/// # Errors
/// [`QueryError::Api`].
pub async fn newest_releases(
    client: &Client,
    targets: Vec<Target>,
    scope: ListScope,
) -> Result<Vec<(Target, ReleaseInfo)>, QueryError> {
    let records = match scope {
        ListScope::ClusterWide => storage::list_cluster(client).await?,
        ListScope::PerNamespace => list_namespaces(client, &targets).await?,
    };
    let newest = newest_revisions(targets, &records);
    let infos = newest.into_iter().map(|(target, summary)| async move {
        let info = read_info(client, &target, summary).await?;
        Ok::<_, QueryError>(info.map(|info| (target, info)))
    });
    let infos: Vec<_> = stream::iter(infos).buffered(CONCURRENT_READS).try_collect().await?;
    Ok(infos.into_iter().flatten().collect())
}

/// Lists the metadata of the records in the targets' namespaces.
async fn list_namespaces(client: &Client, targets: &[Target]) -> Result<Vec<ObjectMeta>, QueryError> {
    let namespaces: BTreeSet<NamespaceName> = targets.iter().map(|target| target.namespace.clone()).collect();
    let lists =
        namespaces.into_iter().map(|namespace| async move { storage::list_namespace(client, &namespace).await });
    stream::iter(lists).buffered(CONCURRENT_READS).try_concat().await
}

/// `None` if the record was deleted after it was listed.
async fn read_info(
    client: &Client,
    target: &Target,
    summary: RevisionSummary,
) -> Result<Option<ReleaseInfo>, QueryError> {
    match storage::read(client, target, summary.revision).await {
        Ok(stored) => Ok(Some(info_from_record(&stored.record, &stored.metadata))),
        Err(QueryError::NoSuchRevision { .. }) => Ok(None),
        Err(error @ QueryError::UnreadableRecord { .. }) => Ok(Some(info_from_summary(&summary, &error))),
        Err(error) => Err(error),
    }
}

/// Whether a revision is deployed: not before the first deploy, and not after `helm uninstall`.
///
/// # Errors
/// [`QueryError::Api`].
pub async fn is_deployed(client: &Client, target: &Target) -> Result<bool, QueryError> {
    Ok(find_deployed(&storage::list(client, target).await?).is_some())
}

/// Reads one revision; by default the deployed one.
///
/// # Errors
/// [`QueryError::NoSuchRevision`], [`QueryError::NotDeployed`], [`QueryError::UnreadableRecord`],
/// [`QueryError::UnreadableManifest`], [`QueryError::Api`].
pub async fn show_release(
    client: &Client,
    target: &Target,
    revision: Option<Revision>,
) -> Result<ReleaseDetails, QueryError> {
    let release = match revision {
        Some(revision) => StoredRelease::read(client, target, revision).await?,
        None => read_deployed(client, target, &storage::list(client, target).await?).await?,
    };
    let manifests = release.manifests.iter().map(|manifest| diff::masked(&manifest.object)).collect();
    Ok(ReleaseDetails { info: info_from_record(&release.record, &release.metadata), manifests })
}

/// The objects of the deployed revision that slipway leaves alone, as texts with the reason: those outside of the
/// namespace, and hooks. Empty if nothing is deployed.
///
/// # Errors
/// [`QueryError::UnreadableRecord`], [`QueryError::UnreadableManifest`], [`QueryError::Api`].
pub async fn list_unmanaged(client: &Client, target: &Target) -> Result<Vec<String>, QueryError> {
    let revisions = storage::list(client, target).await?;
    let Some(deployed) = find_deployed(&revisions) else { return Ok(Vec::new()) };
    let deployed = StoredRelease::read(client, target, deployed.revision).await?;
    let outside = match cluster_scoped(&mut ApiDiscovery::new(client, target), &deployed.manifests).await {
        Ok(outside) => outside,
        Err(DiscoveryError::Api(error)) => return Err(error.into()),
        Err(_) => Vec::new(),
    };
    let unmanaged = outside.into_iter().chain(deployed.unmanaged).chain(hooks(&deployed.record));
    Ok(unmanaged.map(|object| object.to_string()).collect())
}

/// The difference between the objects of two revisions; by default between the deployed revision and the previous one
/// with another manifest.
///
/// # Errors
/// As [`show_release`], and [`QueryError::NoPreviousRevision`].
pub async fn diff_revisions(
    client: &Client,
    target: &Target,
    from: Option<Revision>,
    to: Option<Revision>,
) -> Result<RevisionDiff, QueryError> {
    let revisions = storage::list(client, target).await?;
    let to = match to {
        Some(to) => StoredRelease::read(client, target, to).await?,
        None => read_deployed(client, target, &revisions).await?,
    };
    let from = match from {
        Some(from) => StoredRelease::read(client, target, from).await?,
        None => to.previous(client, target, &revisions).await?,
    };
    let (old, new) = (from.revision(), to.revision());
    let text = diff::unified_diff(&from.manifests, &to.manifests, (&old.to_string(), &new.to_string()))?;
    Ok(RevisionDiff { from: old, to: new, text })
}

async fn read_deployed(
    client: &Client,
    target: &Target,
    revisions: &[RevisionSummary],
) -> Result<StoredRelease, QueryError> {
    let summary = find_deployed(revisions).ok_or_else(|| QueryError::NotDeployed(target.clone()))?;
    StoredRelease::read(client, target, summary.revision).await
}

fn info_from_record(record: &Record, metadata: &RecordMetadata) -> ReleaseInfo {
    let chart = |key: &str| record.chart.pointer(&format!("/metadata/{key}")).and_then(Value::as_str);
    let annotation = |key: &str| metadata.annotations.get(key).cloned();
    let deployed = record.info.last_deployed.parse::<Timestamp>().ok();
    let finished = annotation(labels::FINISHED).and_then(|text| text.parse::<Timestamp>().ok());
    ReleaseInfo {
        revision: record.version,
        status: record.info.status,
        chart: chart("name").map(|name| format!("{name}-{}", chart("version").unwrap_or("?"))),
        app_version: chart("appVersion").map(str::to_owned),
        commit: annotation(labels::COMMIT),
        pusher: annotation(labels::PUSHER),
        image: annotation(labels::IMAGE_DIGEST),
        deployed,
        seconds: deployed.zip(finished).map(|(from, to)| to.duration_since(from).as_secs_f64().max(0.0)),
        description: record.info.description.clone(),
    }
}

/// For a record that cannot be read.
fn info_from_summary(summary: &RevisionSummary, error: &QueryError) -> ReleaseInfo {
    ReleaseInfo {
        revision: summary.revision,
        status: summary.status,
        chart: None,
        app_version: None,
        commit: None,
        pusher: None,
        image: None,
        deployed: summary.created,
        seconds: None,
        description: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::record;

    #[test]
    fn a_record_of_helms_has_no_commit_and_no_pusher() {
        let value: String = include_str!("fixtures/helm-4.1.4.b64").split_whitespace().collect();
        let record = record::decode(value.as_bytes()).unwrap();
        let info = info_from_record(&record, &RecordMetadata::default());
        assert_eq!((info.commit, info.pusher, info.seconds), (None, None, None));
        assert!(info.chart.is_some() && info.deployed.is_some());
    }

    #[test]
    fn seconds_are_the_time_from_the_start_of_a_deploy_to_its_end() {
        let value: String = include_str!("fixtures/helm-4.1.4.b64").split_whitespace().collect();
        let mut record = record::decode(value.as_bytes()).unwrap();
        record.info.last_deployed = "2026-11-21T10:00:00Z".to_owned();
        let at = |time: &str| RecordMetadata {
            annotations: [(labels::FINISHED.to_owned(), time.to_owned())].into(),
            ..RecordMetadata::default()
        };
        assert_eq!(info_from_record(&record, &at("2026-11-21T10:00:02.5Z")).seconds, Some(2.5));
        // A clock that was set back.
        assert_eq!(info_from_record(&record, &at("2026-11-21T09:00:00Z")).seconds, Some(0.0));
    }
}
