//! A PodDisruptionBudget is ready when its controller has observed it. The number of disruptions that it allows does
//! not matter for the release.

use k8s_openapi::api::policy::v1::PodDisruptionBudgetStatus;
use kube::api::DynamicObject;

use super::status::{AppliedObject, ObjectReadiness, ObjectStatus, is_observed, parse_field};

pub(super) fn read_status(object: &DynamicObject, applied: &AppliedObject) -> ObjectStatus {
    let status = parse_field::<PodDisruptionBudgetStatus>(object, "status");
    let observed = status.and_then(|status| status.observed_generation);
    if is_observed(object, observed, applied) {
        ObjectStatus::new(ObjectReadiness::Ready)
    } else {
        ObjectStatus::unobserved()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::TrackedKind;
    use super::super::testing::readiness;
    use super::*;

    #[test]
    fn a_budget_is_ready_when_its_controller_has_observed_it() {
        let counts = |observed: i32| {
            json!({"observedGeneration": observed, "currentHealthy": 0, "desiredHealthy": 1,
                                            "disruptionsAllowed": 0, "expectedPods": 0})
        };
        let run = |status: Value| readiness(TrackedKind::PodDisruptionBudget, json!({}), status);
        assert_eq!(run(counts(4)), ObjectReadiness::Ready);
        assert_eq!(run(counts(3)), ObjectReadiness::Unobserved);
        assert_eq!(run(json!(null)), ObjectReadiness::Unobserved);
    }
}
