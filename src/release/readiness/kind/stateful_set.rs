//! A StatefulSet is ready when every pod that its update strategy replaces has the newest template, and all pods are
//! ready.

use k8s_openapi::api::apps::v1::{StatefulSetSpec, StatefulSetStatus};
use kube::api::DynamicObject;

use super::status::{AppliedObject, ObjectStatus, is_observed, parse_field};

/// The pod label with the revision of the pod's template.
const REVISION_LABEL: &str = "controller-revision-hash";

pub(super) fn read_status(object: &DynamicObject, applied: &AppliedObject) -> ObjectStatus {
    let (Some(spec), Some(status)) = (parse_spec(object), parse_field::<StatefulSetStatus>(object, "status")) else {
        return ObjectStatus::unobserved();
    };
    if !is_observed(object, status.observed_generation, applied) {
        return ObjectStatus::unobserved();
    }
    let desired = spec.replicas.unwrap_or(1);
    let updated = status.updated_replicas.unwrap_or_default() >= desired - retained_pods(&spec, desired);
    let is_ready = updated && status.replicas == desired && available_pods(&spec, &status) == desired;
    ObjectStatus::from_pods(is_ready, desired)
}

pub(super) fn revision_label(object: &DynamicObject) -> Option<(&'static str, String)> {
    let status = parse_field::<StatefulSetStatus>(object, "status")?;
    Some((REVISION_LABEL, status.update_revision?))
}

/// Whether a change of the template reaches every pod.
pub(super) fn replaces_all_pods(object: &DynamicObject) -> bool {
    parse_spec(object).is_some_and(|spec| retained_pods(&spec, spec.replicas.unwrap_or(1)) == 0)
}

fn parse_spec(object: &DynamicObject) -> Option<StatefulSetSpec> {
    parse_field(object, "spec")
}

/// How many pods keep their template: those below the partition, or all of them with the strategy `OnDelete`.
fn retained_pods(spec: &StatefulSetSpec, desired: i32) -> i32 {
    let Some(strategy) = &spec.update_strategy else { return 0 };
    if strategy.type_.as_deref() == Some("OnDelete") {
        return desired;
    }
    let partition = strategy.rolling_update.as_ref().and_then(|rolling| rolling.partition);
    partition.unwrap_or_default().min(desired)
}

/// The pods that have been ready for `minReadySeconds`, a field that API servers before Kubernetes 1.22 drop.
fn available_pods(spec: &StatefulSetSpec, status: &StatefulSetStatus) -> i32 {
    let ready = status.ready_replicas.unwrap_or_default();
    if spec.min_ready_seconds.unwrap_or_default() > 0 { status.available_replicas.unwrap_or_default() } else { ready }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{object, readiness};
    use super::super::{ObjectReadiness, TrackedKind};
    use super::*;

    fn spec(strategy: Value) -> Value {
        json!({"replicas": 3, "serviceName": "a", "selector": {}, "template": {}, "updateStrategy": strategy})
    }

    fn counts(observed: i32, total: i32, updated: i32, ready: i32) -> Value {
        json!({"observedGeneration": observed, "replicas": total, "updatedReplicas": updated, "readyReplicas": ready,
               "currentRevision": "a-1", "updateRevision": "a-2"})
    }

    #[test]
    fn a_stateful_set_is_ready_when_its_strategy_is_carried_out_and_all_pods_are_ready() {
        let (rolling, progressing) = (json!({"type": "RollingUpdate"}), ObjectReadiness::Progressing);
        let partition = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
        let on_delete = json!({"type": "OnDelete"});
        for (case, strategy, status, expected) in [
            ("the rollout before", &rolling, counts(3, 3, 3, 3), ObjectReadiness::Unobserved),
            ("the last pod is replaced", &rolling, counts(4, 3, 1, 3), progressing.clone()),
            ("all replaced, one not ready", &rolling, counts(4, 3, 3, 2), progressing.clone()),
            ("one too many", &rolling, counts(4, 4, 3, 3), progressing.clone()),
            ("done", &rolling, counts(4, 3, 3, 3), ObjectReadiness::Ready),
            ("up to the partition", &partition, counts(4, 3, 1, 3), ObjectReadiness::Ready),
            ("not up to the partition", &partition, counts(4, 3, 0, 3), progressing.clone()),
            ("updated on delete", &on_delete, counts(4, 3, 0, 3), ObjectReadiness::Ready),
            ("updated on delete, not ready", &on_delete, counts(4, 3, 0, 2), progressing),
            ("no status", &rolling, json!(null), ObjectReadiness::Unobserved),
        ] {
            assert_eq!(readiness(TrackedKind::StatefulSet, spec(strategy.clone()), status), expected, "{case}");
        }
    }

    #[test]
    fn pods_have_to_stay_ready_for_the_minimum_time() {
        let mut spec = spec(json!({}));
        spec["minReadySeconds"] = json!(10);
        let mut status = counts(4, 3, 3, 3);
        assert_eq!(readiness(TrackedKind::StatefulSet, spec.clone(), status.clone()), ObjectReadiness::Progressing);
        status["availableReplicas"] = json!(3);
        assert_eq!(readiness(TrackedKind::StatefulSet, spec, status), ObjectReadiness::Ready);
    }

    #[test]
    fn the_newest_pods_carry_the_update_revision() {
        let set = object(spec(json!({})), counts(4, 3, 1, 3));
        assert_eq!(revision_label(&set), Some((REVISION_LABEL, "a-2".to_owned())));
        assert!(replaces_all_pods(&set));
        assert!(!replaces_all_pods(&object(spec(json!({"type": "OnDelete"})), json!({}))));
    }
}
