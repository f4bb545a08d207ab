//! A StatefulSet: every pod that its update strategy replaces is of the newest template, and all are ready.

use k8s_openapi::api::apps::v1::{StatefulSetSpec, StatefulSetStatus};
use kube::api::DynamicObject;

use super::{State, Target, is_observed, part};

/// The label that ties a pod to its template.
const TEMPLATE: &str = "controller-revision-hash";

pub(super) fn read(object: &DynamicObject, target: &Target) -> State {
    let (Some(spec), Some(status)) = (spec(object), part::<StatefulSetStatus>(object, "status")) else {
        return State::unobserved();
    };
    if !is_observed(object, status.observed_generation, target) {
        return State::unobserved();
    }
    let wanted = spec.replicas.unwrap_or(1);
    let updated = status.updated_replicas.unwrap_or_default() >= wanted - untouched(&spec, wanted);
    State::pods(updated && status.replicas == wanted && serving(&spec, &status) == wanted, wanted)
}

pub(super) fn template_mark(object: &DynamicObject) -> Option<(&'static str, String)> {
    let status = part::<StatefulSetStatus>(object, "status")?;
    Some((TEMPLATE, status.update_revision?))
}

/// Whether a change of the template reaches every pod.
pub(super) fn replaces_all(object: &DynamicObject) -> bool {
    spec(object).is_some_and(|spec| untouched(&spec, spec.replicas.unwrap_or(1)) == 0)
}

fn spec(object: &DynamicObject) -> Option<StatefulSetSpec> {
    part(object, "spec")
}

/// How many pods keep the template that they have: those below the partition, or all where somebody deletes them by hand.
fn untouched(spec: &StatefulSetSpec, wanted: i32) -> i32 {
    let Some(strategy) = &spec.update_strategy else { return 0 };
    if strategy.type_.as_deref() == Some("OnDelete") {
        return wanted;
    }
    let partition = strategy.rolling_update.as_ref().and_then(|rolling| rolling.partition);
    partition.unwrap_or_default().min(wanted)
}

/// How many pods serve. Servers before Kubernetes 1.22 know nothing of `minReadySeconds`, and drop it.
fn serving(spec: &StatefulSetSpec, status: &StatefulSetStatus) -> i32 {
    let ready = status.ready_replicas.unwrap_or_default();
    if spec.min_ready_seconds.unwrap_or_default() > 0 { status.available_replicas.unwrap_or_default() } else { ready }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::{object, readiness};
    use super::super::{Readiness, Rule};
    use super::*;

    fn spec(strategy: Value) -> Value {
        json!({"replicas": 3, "serviceName": "a", "selector": {}, "template": {}, "updateStrategy": strategy})
    }

    fn counts(observed: i32, total: i32, updated: i32, ready: i32) -> Value {
        json!({"observedGeneration": observed, "replicas": total, "updatedReplicas": updated, "readyReplicas": ready,
               "currentRevision": "a-1", "updateRevision": "a-2"})
    }

    #[test]
    fn it_is_ready_when_the_strategy_has_done_its_part_and_all_pods_are() {
        let (rolling, waiting) = (json!({"type": "RollingUpdate"}), Readiness::Progressing);
        let partition = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
        let by_hand = json!({"type": "OnDelete"});
        for (what, strategy, status, expected) in [
            ("yesterday's", &rolling, counts(3, 3, 3, 3), Readiness::Unobserved),
            ("the last pod is replaced", &rolling, counts(4, 3, 1, 3), waiting.clone()),
            ("all replaced, one not ready", &rolling, counts(4, 3, 3, 2), waiting.clone()),
            ("one too many", &rolling, counts(4, 4, 3, 3), waiting.clone()),
            ("done", &rolling, counts(4, 3, 3, 3), Readiness::Ready),
            ("up to the partition", &partition, counts(4, 3, 1, 3), Readiness::Ready),
            ("not up to the partition", &partition, counts(4, 3, 0, 3), waiting.clone()),
            ("replaced by hand", &by_hand, counts(4, 3, 0, 3), Readiness::Ready),
            ("replaced by hand, not ready", &by_hand, counts(4, 3, 0, 2), waiting),
            ("no status", &rolling, json!(null), Readiness::Unobserved),
        ] {
            assert_eq!(readiness(Rule::StatefulSet, spec(strategy.clone()), status), expected, "{what}");
        }
    }

    #[test]
    fn pods_have_to_stay_ready_for_as_long_as_it_says() {
        let mut spec = spec(json!({}));
        spec["minReadySeconds"] = json!(10);
        let mut status = counts(4, 3, 3, 3);
        assert_eq!(readiness(Rule::StatefulSet, spec.clone(), status.clone()), Readiness::Progressing);
        status["availableReplicas"] = json!(3);
        assert_eq!(readiness(Rule::StatefulSet, spec, status), Readiness::Ready);
    }

    #[test]
    fn its_newest_pods_carry_its_update_revision() {
        let set = object(spec(json!({})), counts(4, 3, 1, 3));
        assert_eq!(template_mark(&set), Some((TEMPLATE, "a-2".to_owned())));
        assert!(replaces_all(&set));
        assert!(!replaces_all(&object(spec(json!({"type": "OnDelete"})), json!({}))));
    }
}
