//! The objects of an earlier revision, as they can be applied again now.

use serde_json::Value;

use super::apply::dry_run_object;
use super::context::ReleaseContext;
use super::discovery::{ApiDiscovery, DiscoveryError};
use super::error::StepError;
use super::object_id::ObjectId;
use super::ownership_check::find_other_owner;
use crate::domain::Manifest;

const CLUSTER_SCOPED: &str = "it is cluster-scoped";

/// Rewrites recorded objects to API versions that the server has. Leaves out cluster-scoped ones, and reports them.
pub(super) async fn from_record(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    recorded: &[Manifest],
) -> Result<Vec<Manifest>, DiscoveryError> {
    let mut manifests = Vec::new();
    for manifest in recorded {
        match discovery.resolve_stored(manifest).await {
            Ok(resource) => manifests.push(with_api_version(manifest, &resource.api_version)),
            // Reported by the step that needs the kind.
            Err(DiscoveryError::UnknownKind { .. }) => manifests.push(manifest.clone()),
            Err(DiscoveryError::ClusterScoped { .. }) => report_left_alone(context, manifest, CLUSTER_SCOPED).await,
            Err(error) => return Err(error),
        }
    }
    Ok(manifests)
}

/// The objects that an undo brings back, and those that it has to leave as they are.
#[derive(Debug, Default)]
pub(super) struct Restorable {
    pub manifests: Vec<Manifest>,
    pub left_alone: Vec<Manifest>,
}

impl Restorable {
    /// Whether an object of a later revision replaces one that cannot be brought back, and therefore has to stay: the API
    /// group of a kind may have changed.
    pub fn is_replaced_by(&self, later: &Manifest) -> bool {
        self.left_alone.iter().any(|left| (left.kind(), left.name()) == (later.kind(), later.name()))
    }
}

/// The `recorded` objects of the previous revision that can be brought back after the revision with the objects `failed`.
/// An undo restores what it can: the others are reported.
pub(super) async fn after_failure(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    recorded: &[Manifest],
    failed: &[Manifest],
) -> Result<Restorable, StepError> {
    let mut restorable = Restorable::default();
    for manifest in recorded {
        match find_obstacle(context, discovery, manifest, failed).await? {
            Ok(current) => restorable.manifests.push(current),
            Err(reason) => {
                report_left_alone(context, manifest, &reason).await;
                restorable.left_alone.push(manifest.clone());
            }
        }
    }
    Ok(restorable)
}

/// The object in an API version that the server has, or the reason why it cannot be brought back.
async fn find_obstacle(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
    failed: &[Manifest],
) -> Result<Result<Manifest, String>, StepError> {
    let current = match discovery.resolve_stored(manifest).await {
        Ok(resource) => with_api_version(manifest, &resource.api_version),
        Err(DiscoveryError::Api(error)) => return Err(error.into()),
        Err(DiscoveryError::ClusterScoped { .. }) => return Ok(Err(CLUSTER_SCOPED.to_owned())),
        Err(error @ DiscoveryError::UnknownKind { .. }) => return Ok(Err(error.to_string())),
    };
    if current.api_version() != manifest.api_version() {
        // The fields may have changed with the version.
        match dry_run_object(discovery, &current, context.mode).await {
            Err(StepError::Api(error)) if error.status().is_none() => return Err(error.into()),
            Err(error) => return Ok(Err(format!("the server no longer has {}: {error}", manifest.api_version()))),
            Ok(()) => {}
        }
    }
    // The failed revision's own objects were checked before they were applied.
    let id = ObjectId::from_manifest(manifest);
    if !failed.iter().any(|failed| ObjectId::from_manifest(failed) == id)
        && let Some(owner) = find_other_owner(discovery, &current).await?
    {
        return Ok(Err(format!("it belongs to {owner} by now")));
    }
    Ok(Ok(current))
}

async fn report_left_alone(context: &ReleaseContext<'_>, manifest: &Manifest, reason: &str) {
    let id = ObjectId::from_manifest(manifest);
    context.progress.log(format!("{id} is left as it is: {reason}")).await;
}

fn with_api_version(manifest: &Manifest, api_version: &str) -> Manifest {
    let mut manifest = manifest.clone();
    if let Some(object) = manifest.object.as_object_mut() {
        object.insert("apiVersion".to_owned(), Value::from(api_version));
    }
    manifest
}
