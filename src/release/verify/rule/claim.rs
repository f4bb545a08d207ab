//! A PersistentVolumeClaim: it is bound. One whose class waits for a pod is waited for by that pod.

use k8s_openapi::api::core::v1::PersistentVolumeClaimStatus;
use kube::api::DynamicObject;

use super::{Readiness, State, Target, part};

pub(super) fn read(object: &DynamicObject, target: &Target) -> State {
    let status = part::<PersistentVolumeClaimStatus>(object, "status").unwrap_or_default();
    match status.phase.as_deref() {
        Some("Bound") => State::of(Readiness::Ready),
        Some("Lost") => State::of(Readiness::Failed("the volume that it was bound to is gone".to_owned())),
        _ if target.binds_late => State::of(Readiness::Ready),
        _ => State::waiting("it is not bound to a volume"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{object, target};
    use super::*;

    #[test]
    fn it_is_ready_when_it_is_bound() {
        let run = |phase: &str, binds_late: bool| {
            let claim = object(json!({}), json!({"phase": phase}));
            read(&claim, &Target { binds_late, ..target() }).readiness
        };
        assert_eq!(run("Bound", false), Readiness::Ready);
        assert_eq!(run("Pending", false), Readiness::Progressing);
        assert_eq!(run("Pending", true), Readiness::Ready);
        assert!(matches!(run("Lost", true), Readiness::Failed(_)));
    }
}
