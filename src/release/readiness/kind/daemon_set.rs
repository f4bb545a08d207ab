//! A DaemonSet is ready when every node that it selects has an available pod of the newest template.

use k8s_openapi::api::apps::v1::{DaemonSetSpec, DaemonSetStatus};
use kube::ResourceExt;
use kube::api::DynamicObject;

use super::status::{AppliedObject, ObjectStatus, is_observed, parse_field};

/// The DaemonSet's annotation with the generation of its template, and the label of the pods of that generation. Both
/// have deprecated names, and every version of Kubernetes still writes both.
const TEMPLATE_GENERATION: (&str, &str) = ("deprecated.daemonset.template.generation", "pod-template-generation");

pub(super) fn read_status(object: &DynamicObject, applied: &AppliedObject) -> ObjectStatus {
    let Some(status) = parse_field::<DaemonSetStatus>(object, "status") else { return ObjectStatus::unobserved() };
    if !is_observed(object, status.observed_generation, applied) {
        return ObjectStatus::unobserved();
    }
    let desired = status.desired_number_scheduled;
    let updated = is_updated_on_delete(object) || status.updated_number_scheduled.unwrap_or_default() >= desired;
    ObjectStatus::from_pods(updated && status.number_available.unwrap_or_default() >= desired, desired)
}

pub(super) fn revision_label(object: &DynamicObject) -> Option<(&'static str, String)> {
    let (annotation, label) = TEMPLATE_GENERATION;
    Some((label, object.annotations().get(annotation)?.clone()))
}

/// Whether each pod keeps its template until the pod is deleted by hand.
fn is_updated_on_delete(object: &DynamicObject) -> bool {
    let strategy = parse_field::<DaemonSetSpec>(object, "spec").and_then(|spec| spec.update_strategy);
    strategy.and_then(|strategy| strategy.type_).as_deref() == Some("OnDelete")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{object, readiness};
    use super::super::{ObjectReadiness, TrackedKind};
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
    fn a_daemon_set_is_ready_when_every_node_has_an_available_new_pod() {
        let (rolling, progressing) = ("RollingUpdate", ObjectReadiness::Progressing);
        for (case, strategy, status, expected) in [
            ("the rollout before", rolling, counts(3, 2, 2, 2), ObjectReadiness::Unobserved),
            ("one node is left", rolling, counts(4, 2, 1, 2), progressing.clone()),
            ("not all are available", rolling, counts(4, 2, 2, 1), progressing.clone()),
            ("done", rolling, counts(4, 2, 2, 2), ObjectReadiness::Ready),
            ("no node is selected", rolling, counts(4, 0, 0, 0), ObjectReadiness::Ready),
            ("updated on delete", "OnDelete", counts(4, 2, 0, 2), ObjectReadiness::Ready),
            ("updated on delete, not available", "OnDelete", counts(4, 2, 0, 1), progressing),
        ] {
            assert_eq!(readiness(TrackedKind::DaemonSet, spec(strategy), status), expected, "{case}");
        }
    }

    #[test]
    fn the_newest_pods_carry_the_template_generation() {
        let mut set = object(spec("RollingUpdate"), json!({}));
        assert_eq!(revision_label(&set), None);
        set.annotations_mut().insert(TEMPLATE_GENERATION.0.to_owned(), "7".to_owned());
        assert_eq!(revision_label(&set), Some((TEMPLATE_GENERATION.1, "7".to_owned())));
    }
}
