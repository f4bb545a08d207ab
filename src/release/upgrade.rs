//! A new revision of an app, from a chart that was just rendered.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use serde_json::{Map, json};

use super::catalog::Catalog;
use super::error::ReleaseError;
use super::lock::AppLock;
use super::past::Past;
use super::perform::{Draft, OnFailure, Released, Scope, perform};
use super::record::{Info, Record, SERVER_SIDE, Status, chart_metadata};
use super::secret::Tags;
use crate::domain::{AppName, CommitSha, Digest, Progress, RenderedChart, Revision, UserName, labels};

/// What is to be released.
#[derive(Debug, Clone)]
pub struct ReleaseRequest {
    /// The objects, and what Helm shows of the chart.
    pub chart: RenderedChart,
    /// The objects as the YAML text that the record keeps.
    pub manifest_text: String,
    /// The commit.
    pub commit: CommitSha,
    /// Who pushed it.
    pub pusher: UserName,
    /// The image's digest.
    pub digest: Digest,
    /// The number that [`Past::next_revision`] gave.
    pub revision: Revision,
    /// How long the pods may take to become ready.
    pub timeout: Duration,
    /// What is done if it fails.
    pub on_failure: OnFailure,
}

/// What is known already, and not asked again. The number of a revision is taken by its record: if helm was quicker, or
/// anything else changed, that is found out when the record is written.
pub struct Ground {
    /// What the app's records say.
    pub past: Past,
    /// Where the server keeps the kinds of the chart, as the [`super::dry_run`] found out.
    pub catalog: Catalog,
}

/// Releases: records the revision as pending, applies its objects, waits until they are ready, deletes those of the
/// revision before that are gone, and records the outcome. If it fails, what ran before comes back.
///
/// # Errors
/// [`ReleaseError::Failed`] if it was recorded as failed; it says what runs now. Any other if nothing was changed, or
/// if the lock or the API server was lost on the way: then [`super::heal`] will find the pending record.
pub async fn upgrade(
    client: &Client,
    lock: &AppLock,
    ground: Ground,
    request: ReleaseRequest,
    progress: &Progress,
) -> Result<Released, ReleaseError> {
    let scope = Scope { client, lock, progress, timeout: request.timeout };
    let Ground { past, catalog } = ground;
    let by = format!("{} by {}", request.commit.short(), request.pusher);
    let tags = tags(&request);
    let draft = Draft {
        record: record(lock.app(), &request, &tags, &past, lock.now()),
        tags,
        manifests: request.chart.manifests,
        what: format!("Deploy of {by}"),
        success: format!("Deployed {by}"),
        on_failure: request.on_failure,
    };
    perform(&scope, catalog, past, draft).await
}

fn record(app: &AppName, request: &ReleaseRequest, tags: &Tags, past: &Past, now: Timestamp) -> Record {
    let chart = &request.chart;
    let before = past.deployed.as_ref().map(|standing| standing.record.info.first_deployed.clone());
    let mut record = Record {
        name: app.to_string(),
        namespace: app.to_string(),
        version: request.revision,
        info: Info {
            first_deployed: before.unwrap_or_default(),
            last_deployed: String::new(),
            status: if past.deployed.is_some() { Status::PendingUpgrade } else { Status::PendingInstall },
            description: format!("Deploying {} by {}", request.commit.short(), request.pusher),
            rest: chart.notes.iter().map(|notes| ("notes".to_owned(), json!(notes))).collect(),
        },
        chart: chart_metadata(&chart.name, &chart.version, &chart.app_version, &tags.annotations),
        config: chart.values.clone(),
        manifest: request.manifest_text.clone(),
        hooks: json!([]),
        apply_method: Some(SERVER_SIDE.to_owned()),
        rest: Map::new(),
    };
    record.info.deploy_at(now);
    record
}

fn tags(request: &ReleaseRequest) -> Tags {
    let annotations = [
        (labels::COMMIT, request.commit.to_string()),
        (labels::PUSHER, request.pusher.to_string()),
        (labels::DIGEST, request.digest.to_string()),
    ];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value));
    Tags { labels: BTreeMap::new(), annotations: annotations.into() }
}

#[cfg(test)]
mod tests {
    use super::super::record;
    use super::*;
    use crate::domain::Manifest;

    /// What helm reads: the fields that it demands, the chart's real name and version, whose deploy it was.
    #[test]
    fn the_record_of_a_push_is_helms() {
        let chart = RenderedChart {
            name: "web".into(),
            version: "0.1.0".into(),
            app_version: "v1.4-2-gabc1234".into(),
            values: json!({"port": 8080}),
            notes: Some("web runs".into()),
            manifests: Vec::<Manifest>::new(),
        };
        let request = ReleaseRequest {
            chart,
            manifest_text: "---\n# Source: web/templates/a.yaml\nkind: ConfigMap\n".into(),
            commit: "4937c40e2b1f0d8a6c5e3b7f9a1d2c4e6f8091a2".parse().unwrap(),
            pusher: "alice".parse().unwrap(),
            digest: format!("sha256:{}", "5".repeat(64)).parse().unwrap(),
            revision: Revision(3),
            timeout: Duration::ZERO,
            on_failure: OnFailure::Undo,
        };
        let past = Past { revisions: Vec::new(), deployed: None, objects: Vec::new(), has_updates: false };
        let written = super::record(&"web".parse().unwrap(), &request, &tags(&request), &past, Timestamp::UNIX_EPOCH);
        let mut read = record::decode(&record::encode(&written).unwrap()).unwrap();
        assert_eq!(read, written);
        read.info.first_deployed = "(first)".into();
        read.info.last_deployed = "(last)".into();
        insta::assert_snapshot!(serde_json::to_string_pretty(&read).unwrap());
    }
}
