//! A DaemonSet: the pod of every node that is to have one is of the newest template and available.

use k8s_openapi::api::apps::v1::{DaemonSetSpec, DaemonSetStatus};
use kube::ResourceExt;
use kube::api::DynamicObject;

use super::{State, Target, is_observed, part};

/// The annotation that counts its templates, and the label of a pod that says which one it is of. Both are called
/// deprecated, and both are written by every version of Kubernetes.
const TEMPLATE: (&str, &str) = ("deprecated.daemonset.template.generation", "pod-template-generation");

pub(super) fn read(object: &DynamicObject, target: &Target) -> State {
    let Some(status) = part::<DaemonSetStatus>(object, "status") else { return State::unobserved() };
    if !is_observed(object, status.observed_generation, target) {
        return State::unobserved();
    }
    let wanted = status.desired_number_scheduled;
    let updated = by_hand(object) || status.updated_number_scheduled.unwrap_or_default() >= wanted;
    State::pods(updated && status.number_available.unwrap_or_default() >= wanted, wanted)
}

pub(super) fn template_mark(object: &DynamicObject) -> Option<(&'static str, String)> {
    let (annotation, label) = TEMPLATE;
    Some((label, object.annotations().get(annotation)?.clone()))
}

/// Whether pods keep the template that they have until somebody deletes them.
fn by_hand(object: &DynamicObject) -> bool {
    let strategy = part::<DaemonSetSpec>(object, "spec").and_then(|spec| spec.update_strategy);
    strategy.and_then(|strategy| strategy.type_).as_deref() == Some("OnDelete")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{object, readiness};
    use super::super::{Readiness, Rule};
    use super::*;

    fn spec(strategy: &str) -> Value {
        json!({"selector": {}, "template": {}, "updateStrategy": {"type": strategy}})
    }

    fn counts(observed: i32, desired: i32, updated: i32, available: i32) -> Value {
        json!({"observedGeneration": observed, "desiredNumberScheduled": desired, "updatedNumberScheduled": updated,
               "numberAvailable": available, "currentNumberScheduled": desired, "numberMisscheduled": 0,
               "numberReady": available})
    }

    #[test]
    fn it_is_ready_when_every_node_has_a_new_pod_that_is_available() {
        let (rolling, waiting) = ("RollingUpdate", Readiness::Progressing);
        for (what, strategy, status, expected) in [
            ("yesterday's", rolling, counts(3, 2, 2, 2), Readiness::Unobserved),
            ("one node is left", rolling, counts(4, 2, 1, 2), waiting.clone()),
            ("not all are available", rolling, counts(4, 2, 2, 1), waiting.clone()),
            ("done", rolling, counts(4, 2, 2, 2), Readiness::Ready),
            ("for no node", rolling, counts(4, 0, 0, 0), Readiness::Ready),
            ("replaced by hand", "OnDelete", counts(4, 2, 0, 2), Readiness::Ready),
            ("replaced by hand, not available", "OnDelete", counts(4, 2, 0, 1), waiting),
        ] {
            assert_eq!(readiness(Rule::DaemonSet, spec(strategy), status), expected, "{what}");
        }
    }

    #[test]
    fn its_newest_pods_carry_the_count_of_its_templates() {
        let mut set = object(spec("RollingUpdate"), json!({}));
        assert_eq!(template_mark(&set), None);
        set.annotations_mut().insert(TEMPLATE.0.to_owned(), "7".to_owned());
        assert_eq!(template_mark(&set), Some((TEMPLATE.1, "7".to_owned())));
    }
}
