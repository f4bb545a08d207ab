//! Removal of a StatefulSet's pod that blocks its own replacement. See "Forced rollback" in the Kubernetes documentation of
//! StatefulSets.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, Client, ResourceExt};

use crate::domain::{Progress, Target};
use crate::k8s::with_timeout;

const DELETE_TIMEOUT: Duration = Duration::from_secs(5);

/// Deletes this pod, and not a new pod of the same name.
pub(super) async fn delete_stuck_pod(client: &Client, target: &Target, pod: &Pod, progress: &Progress) {
    let (pods, name): (Api<Pod>, _) = (Api::namespaced(client.clone(), target.namespace.as_str()), pod.name_any());
    let same_uid = Preconditions { uid: pod.uid(), resource_version: None };
    let params = DeleteParams::default().preconditions(same_uid);
    match with_timeout("deleting a pod", DELETE_TIMEOUT, pods.delete(&name, &params)).await {
        Ok(_) => {
            let reason = "it has an older template and is not ready, and its StatefulSet would wait for it";
            progress.log(format!("pod/{name} removed: {reason}")).await;
        }
        // The controller may have replaced or deleted the pod already; if not, the rollout ends at its deadline.
        Err(error) => {
            tracing::warn!(%error, app = %target, pod = name, "cannot delete a pod that blocks the rollout of its StatefulSet");
        }
    }
}
