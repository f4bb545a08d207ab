//! Whether a pod is ready, by its own conditions. Pure.

use k8s_openapi::api::core::v1::Pod;

pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The message of the pod's condition `Ready`; `None` if the pod is ready or is being deleted.
pub(super) fn unready_message(pod: &Pod) -> Option<String> {
    let mut conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let ready = conditions.find(|condition| condition.type_ == "Ready" && condition.status != "True")?;
    let message = ready.message.as_deref().filter(|message| !message.is_empty())?;
    let name = pod.metadata.name.as_deref().filter(|_| pod.metadata.deletion_timestamp.is_none())?;
    Some(format!("pod/{name}: {message}"))
}

/// Whether the pod's controller still counts it.
pub(super) fn is_active(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Succeeded" | "Failed"))
}
