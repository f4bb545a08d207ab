//! Tries a release on the API server, without changing anything.

use kube::Client;

use super::apply::dry_run_objects;
use super::apply_mode::{ApplyMode, OnFieldConflict};
use super::diff;
use super::discovery::ApiDiscovery;
use super::error::{PreconditionError, QueryError};
use super::history::ReleaseHistory;
use super::ownership_check::check_ownership;
use crate::domain::{RenderedChart, Target};

/// The names of the two sides of a diff.
const NOTHING: &str = "nothing";
const THIS_PUSH: &str = "this push";

/// Rewrites the objects of a chart to API versions that the server has, where an equivalent version exists.
///
/// # Errors
/// [`PreconditionError::Discovery`].
pub async fn normalize_versions(
    client: &Client,
    target: &Target,
    chart: &mut RenderedChart,
) -> Result<(), PreconditionError> {
    Ok(ApiDiscovery::new(client, target).normalize_versions(&mut chart.manifests).await?)
}

/// Dry-runs the apply of a chart on the API server, with its admission webhooks and quotas. The namespace must exist.
/// The history is read if it is `None`. Returns the discovery results for the release itself.
///
/// # Errors
/// Those with which [`super::upgrade`] would fail.
pub async fn dry_run(
    client: &Client,
    target: &Target,
    chart: &RenderedChart,
    history: Option<ReleaseHistory>,
    on_conflict: OnFieldConflict,
) -> Result<ApiDiscovery, PreconditionError> {
    let history = match history {
        Some(history) => history,
        None => ReleaseHistory::read(client, target).await?,
    };
    let mut discovery = ApiDiscovery::new(client, target);
    check_ownership(&mut discovery, &chart.manifests, history.deployed_manifests()).await?;
    dry_run_objects(&mut discovery, &chart.manifests, ApplyMode::Deploy(on_conflict)).await?;
    Ok(discovery)
}

/// A unified diff of the changes that a release of `chart` would make to the deployed revision, which the API server
/// dry-runs as well. The namespace must exist.
///
/// # Errors
/// As [`dry_run`].
pub async fn diff_against_live(
    client: &Client,
    target: &Target,
    chart: &RenderedChart,
    on_conflict: OnFieldConflict,
) -> Result<String, PreconditionError> {
    let history = ReleaseHistory::read(client, target).await?;
    let mut chart = chart.clone();
    normalize_versions(client, target, &mut chart).await?;
    let unreadable =
        history.unreadable.as_ref().map(|unreadable| format!("unreadable record of {}", unreadable.revision));
    let deployed = history.deployed.as_ref().map(|deployed| deployed.revision().to_string()).or(unreadable);
    let names = (deployed.as_deref().unwrap_or(NOTHING), THIS_PUSH);
    let changes = diff::unified_diff(history.deployed_manifests(), &chart.manifests, names)?;
    dry_run(client, target, &chart, Some(history), on_conflict).await?;
    Ok(changes)
}

/// As [`diff_against_live`], for a release whose namespace does not exist yet.
///
/// # Errors
/// [`QueryError::SerializeObject`].
pub fn diff_against_nothing(chart: &RenderedChart) -> Result<String, QueryError> {
    diff::unified_diff(&[], &chart.manifests, (NOTHING, THIS_PUSH))
}
