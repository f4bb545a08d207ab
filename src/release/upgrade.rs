//! Installs or upgrades a release from a rendered chart.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::Client;
use serde_json::{Map, json};

use super::apply_mode::{ApplyMode, OnFieldConflict};
use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::ReleaseError;
use super::execute::{NewRevision, OnFailure, Released, execute_release};
use super::history::ReleaseHistory;
use super::lock::ReleaseLock;
use super::readiness::PortOrigin;
use super::record::{Record, RecordInfo, ReleaseStatus, SERVER_SIDE_APPLY, chart_metadata};
use super::release_phase::ReleasePhase;
use super::rollout_limits::RolloutLimits;
use super::secret::RecordMetadata;
use crate::domain::{CommitSha, Digest, Progress, RenderedChart, Revision, Target, UserName, labels};

/// The revision to release.
#[derive(Debug, Clone)]
pub struct UpgradeRequest {
    pub chart: RenderedChart,
    /// The chart's objects as YAML, for the record.
    pub manifest_text: String,
    pub commit: CommitSha,
    pub pusher: UserName,
    /// Digest of the app's image.
    pub digest: Digest,
    /// From [`ReleaseHistory::next_revision`].
    pub revision: Revision,
    /// Limits for the objects to become ready.
    pub limits: RolloutLimits,
    pub on_failure: OnFailure,
    pub on_conflict: OnFieldConflict,
    pub release_phase: ReleasePhase,
}

/// Reads of earlier stages from the cluster. They may be outdated: the creation of the record fails if another writer
/// took the revision number since.
pub struct UpgradeContext {
    pub history: ReleaseHistory,
    /// As returned by [`super::dry_run`].
    pub discovery: ApiDiscovery,
}

/// Records the revision as pending, applies its objects, waits until they are ready, prunes the objects that only
/// earlier revisions had, and records the result. A failed release is rolled back, unless [`OnFailure::Keep`] was asked
/// for.
///
/// # Errors
/// [`ReleaseError::Failed`] if the revision is recorded as failed, with the outcome of the rollback. Otherwise nothing
/// was changed, or the lock or the API server was lost: then [`super::recover`] finds the pending record.
pub async fn upgrade(
    client: &Client,
    lock: &ReleaseLock,
    upgrade_context: UpgradeContext,
    request: UpgradeRequest,
    progress: &Progress,
) -> Result<Released, ReleaseError> {
    let (mode, port_origin) = (ApplyMode::Deploy(request.on_conflict), PortOrigin::from_values(&request.chart.values));
    let (limits, release_phase) = (request.limits, request.release_phase);
    let context = ReleaseContext { client, lock, progress, limits, port_origin, mode, release_phase };
    let UpgradeContext { history, discovery } = upgrade_context;
    let commit_by_pusher = format!("{} by {}", request.commit.short(), request.pusher);
    let metadata = metadata(&request);
    let new = NewRevision {
        record: record(lock.target(), &request, &metadata, &history, lock.now()),
        metadata,
        manifests: request.chart.manifests,
        action: format!("Deploy of {commit_by_pusher}"),
        success_description: format!("Deployed {commit_by_pusher}"),
        on_failure: request.on_failure,
    };
    Box::pin(execute_release(&context, discovery, history, new)).await
}

fn record(
    target: &Target,
    request: &UpgradeRequest,
    metadata: &RecordMetadata,
    history: &ReleaseHistory,
    now: Timestamp,
) -> Record {
    let chart = &request.chart;
    let first_deployed = history.deployed.as_ref().map(|deployed| deployed.record.info.first_deployed.clone());
    let is_first = history.is_first();
    let mut record = Record {
        name: target.release.to_string(),
        namespace: target.namespace.to_string(),
        version: request.revision,
        info: RecordInfo {
            first_deployed: first_deployed.unwrap_or_default(),
            last_deployed: String::new(),
            status: if is_first { ReleaseStatus::PendingInstall } else { ReleaseStatus::PendingUpgrade },
            description: format!("Deploying {} by {}", request.commit.short(), request.pusher),
            other_fields: chart.notes.iter().map(|notes| ("notes".to_owned(), json!(notes))).collect(),
        },
        chart: chart_metadata(&chart.name, &chart.version, &chart.app_version, &metadata.annotations),
        config: chart.values.clone(),
        manifest: request.manifest_text.clone(),
        hooks: json!([]),
        apply_method: Some(SERVER_SIDE_APPLY.to_owned()),
        other_fields: Map::new(),
    };
    record.info.set_deployed_at(now);
    record
}

fn metadata(request: &UpgradeRequest) -> RecordMetadata {
    let annotations = [
        (labels::COMMIT, request.commit.to_string()),
        (labels::PUSHER, request.pusher.to_string()),
        (labels::IMAGE_DIGEST, request.digest.to_string()),
    ];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value));
    RecordMetadata { labels: BTreeMap::new(), annotations: annotations.into() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::record;
    use super::*;
    use crate::domain::Manifest;

    /// Helm reads the chart's real name and version, the commit and the pusher, and needs its mandatory fields.
    #[test]
    fn the_record_of_a_push_has_helms_format() {
        let chart = RenderedChart {
            name: "web".into(),
            version: "0.1.0".into(),
            app_version: "v1.4-2-gabc1234".into(),
            values: json!({"port": 8080}),
            notes: Some("web runs".into()),
            manifests: Vec::<Manifest>::new(),
        };
        let request = UpgradeRequest {
            chart,
            manifest_text: "---\n# Source: web/templates/a.yaml\nkind: ConfigMap\n".into(),
            commit: "4937c40e2b1f0d8a6c5e3b7f9a1d2c4e6f8091a2".parse().unwrap(),
            pusher: "alice".parse().unwrap(),
            digest: format!("sha256:{}", "5".repeat(64)).parse().unwrap(),
            revision: Revision(3),
            limits: RolloutLimits::new(Duration::ZERO, None),
            on_failure: OnFailure::RollBack,
            on_conflict: OnFieldConflict::Refuse,
            release_phase: ReleasePhase::Run,
        };
        let history = ReleaseHistory {
            revisions: Vec::new(),
            deployed: None,
            unreadable: None,
            objects: Vec::new(),
            unmanaged: Vec::new(),
            has_client_side_updates: false,
        };
        let target = Target::of_app(&"web".parse().unwrap());
        let written = super::record(&target, &request, &metadata(&request), &history, Timestamp::UNIX_EPOCH);
        let mut read = record::decode(&record::encode(&written).unwrap()).unwrap();
        assert_eq!(read, written);
        read.info.first_deployed = "(first)".into();
        read.info.last_deployed = "(last)".into();
        insta::assert_snapshot!(serde_json::to_string_pretty(&read).unwrap());
    }
}
