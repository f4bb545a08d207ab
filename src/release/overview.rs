//! What an app's records tell whoever asks: its history, one revision, the difference between two.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use kube::Client;
use serde::Serialize;
use serde_json::Value;

use super::error::ReleaseError;
use super::history;
use super::past::{Past, Standing, standing};
use super::record::{Record, Status};
use super::secret::{RevisionSummary, Tags};
use super::{apply, compare};
use crate::domain::{AppName, RenderedChart, Revision, labels};

/// How many records are read concurrently.
const READS: usize = 8;

/// One revision, as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReleaseInfo {
    /// Its number.
    pub revision: Revision,
    /// What became of it.
    pub status: Status,
    /// Name and version of the chart, as `helm list` prints them.
    pub chart: Option<String>,
    /// What the chart calls the version of the app.
    pub app_version: Option<String>,
    /// The commit, where slipway deployed it.
    pub commit: Option<String>,
    /// Who deployed it, where slipway did.
    pub pusher: Option<String>,
    /// The digest of its image, where slipway deployed it.
    pub image: Option<String>,
    /// When its deploy began.
    pub deployed: Option<Timestamp>,
    /// How long it took from then until it was live, or given up, in seconds; where slipway deployed it.
    pub seconds: Option<f64>,
    /// What it was for, or why it failed.
    pub description: String,
}

/// One revision with its objects. The values of Secrets are hidden.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReleaseDetails {
    /// What a list shows of it.
    #[serde(flatten)]
    pub info: ReleaseInfo,
    /// The objects.
    pub manifests: Vec<Value>,
}

impl ReleaseDetails {
    /// The objects as YAML documents.
    ///
    /// # Errors
    /// [`ReleaseError::Unprintable`]
    pub fn manifest(&self) -> Result<String, ReleaseError> {
        let documents = self.manifests.iter().map(|object| Ok(format!("---\n{}", compare::yaml(object)?)));
        documents.collect()
    }
}

/// What differs between two revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The older one.
    pub from: Revision,
    /// The newer one.
    pub to: Revision,
    /// A unified diff of their objects; empty where they are the same.
    pub text: String,
}

/// The newest `limit` revisions of an app, oldest first. One whose record cannot be read is there as well, and says so.
///
/// # Errors
/// [`ReleaseError::Api`].
pub async fn releases(client: &Client, app: &AppName, limit: usize) -> Result<Vec<ReleaseInfo>, ReleaseError> {
    let revisions = history::list(client, app).await?;
    let newest = revisions.into_iter().rev().take(limit).collect::<Vec<_>>();
    let infos = newest.into_iter().rev().map(|summary| info_of(client, app, summary));
    let infos: Vec<Option<ReleaseInfo>> = stream::iter(infos).buffered(READS).try_collect().await?;
    Ok(infos.into_iter().flatten().collect())
}

/// The newest revision of each of `apps`, which are in order, as far as they have any: `everywhere` with one list of the whole
/// cluster, for which it takes the right, or else with one of each app.
///
/// # Errors
/// [`ReleaseError::Api`].
pub async fn newest(
    client: &Client,
    apps: Vec<AppName>,
    everywhere: bool,
) -> Result<Vec<(AppName, ReleaseInfo)>, ReleaseError> {
    let found =
        if everywhere { history::newest_of_each(client, apps).await? } else { one_by_one(client, apps).await? };
    let infos = found.into_iter().map(|(app, summary)| async move {
        let info = info_of(client, &app, summary).await?;
        Ok::<_, ReleaseError>(info.map(|info| (app, info)))
    });
    let infos: Vec<_> = stream::iter(infos).buffered(READS).try_collect().await?;
    Ok(infos.into_iter().flatten().collect())
}

async fn one_by_one(client: &Client, apps: Vec<AppName>) -> Result<Vec<(AppName, RevisionSummary)>, ReleaseError> {
    let lists = apps.into_iter().map(|app| async move {
        let newest = history::list(client, &app).await?.pop();
        Ok::<_, ReleaseError>(newest.map(|newest| (app, newest)))
    });
    let newest: Vec<_> = stream::iter(lists).buffered(READS).try_collect().await?;
    Ok(newest.into_iter().flatten().collect())
}

/// `None` if the record was removed since it was listed.
async fn info_of(
    client: &Client,
    app: &AppName,
    summary: RevisionSummary,
) -> Result<Option<ReleaseInfo>, ReleaseError> {
    match history::read(client, app, summary.revision).await {
        Ok(kept) => Ok(Some(info(&kept.record, &kept.tags))),
        Err(ReleaseError::NoSuchRevision { .. }) => Ok(None),
        Err(error @ ReleaseError::Record { .. }) => Ok(Some(unreadable(&summary, &error))),
        Err(error) => Err(error),
    }
}

/// One revision; by default the one that serves.
///
/// # Errors
/// [`ReleaseError::NoSuchRevision`], [`ReleaseError::NothingServes`], [`ReleaseError::Record`],
/// [`ReleaseError::Manifest`], [`ReleaseError::Api`].
pub async fn show(client: &Client, app: &AppName, revision: Option<Revision>) -> Result<ReleaseDetails, ReleaseError> {
    let standing = match revision {
        Some(revision) => Standing::read(client, app, revision).await?,
        None => serving(client, app, &history::list(client, app).await?).await?,
    };
    let manifests = standing.manifests.iter().map(|manifest| compare::hidden(&manifest.object)).collect();
    Ok(ReleaseDetails { info: info(&standing.record, &standing.tags), manifests })
}

/// What differs between the objects of two revisions; by default between the one that serves and the one that served
/// before it and was another.
///
/// # Errors
/// As [`show`].
pub async fn diff(
    client: &Client,
    app: &AppName,
    from: Option<Revision>,
    to: Option<Revision>,
) -> Result<Difference, ReleaseError> {
    let revisions = history::list(client, app).await?;
    let to = match to {
        Some(to) => Standing::read(client, app, to).await?,
        None => serving(client, app, &revisions).await?,
    };
    let from = match from {
        Some(from) => Standing::read(client, app, from).await?,
        None => to.before(client, app, &revisions).await?,
    };
    let (old, new) = (from.revision(), to.revision());
    let text = compare::unified(&from.manifests, &to.manifests, (&old.to_string(), &new.to_string()))?;
    Ok(Difference { from: old, to: new, text })
}

/// What a release of `chart` would change, as a unified diff. Where the namespace `exists`, the API server is asked whether
/// it would take the objects.
///
/// # Errors
/// As [`super::dry_run`], and as [`show`].
pub async fn preview(
    client: &Client,
    app: &AppName,
    chart: &RenderedChart,
    exists: bool,
) -> Result<String, ReleaseError> {
    if !exists {
        return compare::unified(&[], &chart.manifests, ("nothing", "this push"));
    }
    let past = Past::read(client, app).await?;
    let mut chart = chart.clone();
    apply::fit(client, app, &mut chart).await?;
    let name = past.deployed.as_ref().map_or_else(|| "nothing".to_owned(), |standing| standing.revision().to_string());
    let changes = compare::unified(past.standing(), &chart.manifests, (&name, "this push"))?;
    apply::dry_run(client, app, &chart, Some(past)).await?;
    Ok(changes)
}

async fn serving(client: &Client, app: &AppName, revisions: &[RevisionSummary]) -> Result<Standing, ReleaseError> {
    let summary = standing(revisions).ok_or_else(|| ReleaseError::NothingServes(app.clone()))?;
    Standing::read(client, app, summary.revision).await
}

fn info(record: &Record, tags: &Tags) -> ReleaseInfo {
    let chart = |key: &str| record.chart.pointer(&format!("/metadata/{key}")).and_then(Value::as_str);
    let annotation = |key: &str| tags.annotations.get(key).cloned();
    let deployed = record.info.last_deployed.parse::<Timestamp>().ok();
    let finished = annotation(labels::FINISHED).and_then(|text| text.parse::<Timestamp>().ok());
    ReleaseInfo {
        revision: record.version,
        status: record.info.status,
        chart: chart("name").map(|name| format!("{name}-{}", chart("version").unwrap_or("?"))),
        app_version: chart("appVersion").map(str::to_owned),
        commit: annotation(labels::COMMIT),
        pusher: annotation(labels::PUSHER),
        image: annotation(labels::DIGEST),
        deployed,
        seconds: deployed.zip(finished).map(|(from, to)| to.duration_since(from).as_secs_f64().max(0.0)),
        description: record.info.description.clone(),
    }
}

fn unreadable(summary: &RevisionSummary, error: &ReleaseError) -> ReleaseInfo {
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
    fn a_record_of_helms_shows_what_helm_knows() {
        let value: String = include_str!("fixtures/helm-4.1.4.b64").split_whitespace().collect();
        let record = record::decode(value.as_bytes()).unwrap();
        let info = info(&record, &Tags::default());
        assert_eq!((info.commit, info.pusher, info.seconds), (None, None, None));
        assert!(info.chart.is_some() && info.deployed.is_some());
    }

    #[test]
    fn a_deploy_took_from_its_beginning_to_its_end() {
        let value: String = include_str!("fixtures/helm-4.1.4.b64").split_whitespace().collect();
        let mut record = record::decode(value.as_bytes()).unwrap();
        record.info.last_deployed = "2026-11-21T10:00:00Z".to_owned();
        let at = |time: &str| Tags {
            annotations: [(labels::FINISHED.to_owned(), time.to_owned())].into(),
            ..Tags::default()
        };
        assert_eq!(info(&record, &at("2026-11-21T10:00:02.5Z")).seconds, Some(2.5));
        // a clock that was set back
        assert_eq!(info(&record, &at("2026-11-21T09:00:00Z")).seconds, Some(0.0));
    }
}
