//! A PersistentVolumeClaim is ready when it is bound; one that waits for its first consumer is ready at once, and the
//! pod that uses it waits for the volume.

use k8s_openapi::api::core::v1::PersistentVolumeClaimStatus;
use kube::api::DynamicObject;

use super::status::{AppliedObject, ObjectReadiness, ObjectStatus, parse_field};

pub(super) fn read_status(object: &DynamicObject, applied: &AppliedObject) -> ObjectStatus {
    let status = parse_field::<PersistentVolumeClaimStatus>(object, "status").unwrap_or_default();
    match status.phase.as_deref() {
        Some("Bound") => ObjectStatus::new(ObjectReadiness::Ready),
        Some("Lost") => ObjectStatus::new(ObjectReadiness::Failed("its volume no longer exists".to_owned())),
        _ if applied.waits_for_first_consumer => ObjectStatus::new(ObjectReadiness::Ready),
        _ => ObjectStatus::progressing("it is not bound to a volume"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{applied, object};
    use super::*;

    #[test]
    fn a_claim_is_ready_when_it_is_bound_or_waits_for_its_first_consumer() {
        let run = |phase: &str, waits_for_first_consumer: bool| {
            let claim = object(json!({}), json!({"phase": phase}));
            read_status(&claim, &AppliedObject { waits_for_first_consumer, ..applied() }).readiness
        };
        assert_eq!(run("Bound", false), ObjectReadiness::Ready);
        assert_eq!(run("Pending", false), ObjectReadiness::Progressing);
        assert_eq!(run("Pending", true), ObjectReadiness::Ready);
        assert!(matches!(run("Lost", true), ObjectReadiness::Failed(_)));
    }
}
