//! A PodDisruptionBudget: its controller has taken it up. How many disruptions it allows is no matter of the release.

use k8s_openapi::api::policy::v1::PodDisruptionBudgetStatus;
use kube::api::DynamicObject;

use super::{Readiness, State, Target, is_observed, part};

pub(super) fn read(object: &DynamicObject, target: &Target) -> State {
    let observed = part::<PodDisruptionBudgetStatus>(object, "status").and_then(|status| status.observed_generation);
    if is_observed(object, observed, target) { State::of(Readiness::Ready) } else { State::unobserved() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Rule;
    use super::super::testing::readiness;
    use super::*;

    #[test]
    fn it_is_ready_when_its_controller_has_seen_it() {
        let counts = |observed: i32| {
            json!({"observedGeneration": observed, "currentHealthy": 0, "desiredHealthy": 1,
                                            "disruptionsAllowed": 0, "expectedPods": 0})
        };
        let run = |status: Value| readiness(Rule::PodDisruptionBudget, json!({}), status);
        assert_eq!(run(counts(4)), Readiness::Ready);
        assert_eq!(run(counts(3)), Readiness::Unobserved);
        assert_eq!(run(json!(null)), Readiness::Unobserved);
    }
}
