//! Makes the cluster match the manifests of a revision: applies them, waits for readiness, and prunes. Upgrades,
//! rollbacks and automatic rollbacks share these steps.

use kube::api::DynamicObject;

use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::ReleaseError;
use super::history::ReleaseHistory;
use super::prune::objects_to_prune;
use super::readiness::ReadinessWaiter;
use super::record::ReleaseStatus;
use super::storage::{self, StatusUpdate};
use super::{apply, csa_migration, replicas};
use crate::domain::{Manifest, Revision, in_span};

/// Applies `new`, waits until it is ready, and deletes the objects that only the `history` has. `applied` receives the
/// objects that the server returned, also if a later step fails.
pub(super) async fn roll_out(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    new: &[Manifest],
    history: &ReleaseHistory,
    applied: &mut Vec<DynamicObject>,
) -> Result<(), ReleaseError> {
    let waiter = ReadinessWaiter::start(context.client, context.lock.target(), discovery, new).await?;
    if history.has_client_side_updates {
        csa_migration::migrate_managed_fields(context.lock, discovery, new).await?;
    }
    replicas::preserve_replicas(context.lock, discovery, &history.objects, new).await?;
    in_span("apply", apply::apply_objects(context.lock, discovery, new, applied)).await?;
    let ready = Box::pin(waiter.wait_until_ready(applied, context.timeout, context.progress));
    in_span("rollout", async { context.lock.guard(ready).await? }).await?;
    let surplus = objects_to_prune(&history.objects, new);
    in_span("prune", apply::delete_objects(context.lock, discovery, &surplus, context.progress)).await
}

/// Marks the revisions that were deployed before `by` as superseded. A failure is only logged: Helm and slipway read
/// the newest deployed revision, and the next release marks the others again.
pub(super) async fn mark_superseded(context: &ReleaseContext<'_>, history: &ReleaseHistory, by: Revision) {
    let ReleaseContext { client, lock, .. } = *context;
    for revision in history.deployed_revisions().filter(|revision| *revision != by) {
        let update = StatusUpdate { revision, status: ReleaseStatus::Superseded, description: None };
        let known = history.deployed.as_ref().filter(|deployed| deployed.revision() == revision);
        let updated = match known {
            Some(deployed) => storage::update_status_of(client, lock, deployed.secret.clone(), &update).await,
            None => storage::update_status(client, lock, &update).await,
        };
        if let Err(error) = updated {
            tracing::warn!(app = %lock.target(), %revision, %error, "a revision could not be marked as superseded");
        }
    }
}
