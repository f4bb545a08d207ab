//! Tries a release on the API server, without changing anything.

use kube::Client;

use super::apply::dry_run_objects;
use super::discovery::ApiDiscovery;
use super::error::ReleaseError;
use super::history::ReleaseHistory;
use super::ownership_check::check_ownership;
use crate::domain::{RenderedChart, Target};

/// Rewrites the objects of a chart to API versions that the server has, where an equivalent version exists.
///
/// # Errors
/// [`ReleaseError::UnknownKind`], [`ReleaseError::ClusterScoped`], [`ReleaseError::Api`].
pub async fn normalize_versions(
    client: &Client,
    target: &Target,
    chart: &mut RenderedChart,
) -> Result<(), ReleaseError> {
    ApiDiscovery::new(client, target).normalize_versions(&mut chart.manifests).await
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
) -> Result<ApiDiscovery, ReleaseError> {
    let history = match history {
        Some(history) => history,
        None => ReleaseHistory::read(client, target).await?,
    };
    let mut discovery = ApiDiscovery::new(client, target);
    check_ownership(&mut discovery, &chart.manifests, history.deployed_manifests()).await?;
    dry_run_objects(&mut discovery, &chart.manifests).await?;
    Ok(discovery)
}
