//! Why an object is not ready at the moment, without a rollout.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, Client};
use tokio::time::Instant;

use super::super::object_id::ObjectId;
use super::kind::TrackedKind;
use super::rollout::ObjectRollout;
use super::watches::pod_selector;
use crate::domain::{Manifest, Target};
use crate::k8s::{ApiError, with_retries};

/// Why the object is not ready; `None` if it is, or if its kind has no readiness.
///
/// # Errors
/// The object's pods cannot be read.
pub(in crate::release) async fn find_live_problem(
    client: &Client,
    target: &Target,
    manifest: &Manifest,
    live: DynamicObject,
) -> Result<Option<String>, ApiError> {
    let id = ObjectId::from_manifest(manifest);
    let Some(kind) = TrackedKind::from_id(&id) else { return Ok(None) };
    let (sets, pods): (Api<ReplicaSet>, Api<Pod>) = (
        Api::namespaced(client.clone(), target.namespace.as_str()),
        Api::namespaced(client.clone(), target.namespace.as_str()),
    );
    let selected = ListParams::default().labels(&pod_selector(kind, manifest));
    let sets = match kind {
        TrackedKind::Deployment => with_retries("listing the ReplicaSets", || sets.list(&selected)).await?.items,
        _ => Vec::new(),
    };
    let pods = match kind.has_pods() {
        true => with_retries("listing the pods", || pods.list(&selected)).await?.items,
        false => Vec::new(),
    };
    let rollout = ObjectRollout::snapshot(kind, id.to_string(), live, sets, pods);
    Ok(rollout.current_problem(Instant::now()))
}
