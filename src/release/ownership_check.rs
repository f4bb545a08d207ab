//! Refuses objects that exist and belong to someone else.

use super::discovery::ApiDiscovery;
use super::error::{PreconditionError, StepError};
use super::object_id::ObjectId;
use super::ownership::{is_owned_by_release, live_metadata, other_owner};
use super::prune::difference;
use crate::domain::Manifest;
use crate::k8s::with_retries;

/// Refuses to take over objects that exist and are not the release's. The objects of the deployed revision (`old`) are
/// the release's even if someone removed their ownership metadata.
pub(super) async fn check_ownership(
    discovery: &mut ApiDiscovery,
    new: &[Manifest],
    old: &[Manifest],
) -> Result<(), PreconditionError> {
    for manifest in difference(new, old) {
        let id = ObjectId::from_manifest(manifest);
        let api = discovery.resolve(manifest).await?.api;
        let existing = with_retries(format!("reading {id}"), || api.get_opt(&id.name)).await?;
        if existing.is_some_and(|existing| !is_owned_by_release(&live_metadata(&existing), discovery.target())) {
            return Err(PreconditionError::OwnedByOther {
                object: id.to_string(),
                namespace: discovery.target().namespace.clone(),
            });
        }
    }
    Ok(())
}

/// The other release that owns the live object of `manifest` by now.
pub(super) async fn find_other_owner(
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
) -> Result<Option<String>, StepError> {
    let id = ObjectId::from_manifest(manifest);
    let api = discovery.resolve(manifest).await?.api;
    let live = with_retries(format!("reading {id}"), || api.get_opt(&id.name)).await?;
    Ok(live.and_then(|live| other_owner(&live_metadata(&live), discovery.target())))
}
