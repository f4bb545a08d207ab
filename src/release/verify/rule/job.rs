//! A Job: it has completed. One that is suspended waits for somebody, and is not waited for.

use k8s_openapi::api::batch::v1::{JobSpec, JobStatus};
use kube::api::DynamicObject;

use super::{Readiness, State, part};

pub(super) fn read(object: &DynamicObject) -> State {
    let status = part::<JobStatus>(object, "status").unwrap_or_default();
    let suspended = part::<JobSpec>(object, "spec").and_then(|spec| spec.suspend).unwrap_or_default();
    let mut conditions = status.conditions.iter().flatten().filter(|condition| condition.status == "True");
    let end = conditions.find(|condition| matches!(condition.type_.as_str(), "Complete" | "Failed"));
    match end {
        Some(failed) if failed.type_ == "Failed" => {
            let why = failed.message.clone().or_else(|| failed.reason.clone());
            State::of(Readiness::Failed(why.unwrap_or_else(|| "it failed".to_owned())))
        }
        Some(_) => State::of(Readiness::Ready),
        None if suspended => State::of(Readiness::Ready),
        None => State::waiting("it has not completed"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Rule;
    use super::super::testing::readiness;
    use super::*;

    #[test]
    fn it_is_ready_when_it_has_completed() {
        let with = |kind: &str, status: &str| json!({"conditions": [{"type": kind, "status": status, "reason": "BackoffLimitExceeded", "message": "too often"}]});
        let run = |spec: Value, status: Value| readiness(Rule::Job, spec, status);
        let spec = json!({"template": {}});
        for (status, expected) in [
            (json!(null), Readiness::Progressing),
            (json!({"active": 1}), Readiness::Progressing),
            (with("Complete", "False"), Readiness::Progressing),
            (with("Suspended", "True"), Readiness::Progressing),
            (with("Complete", "True"), Readiness::Ready),
            (with("Failed", "True"), Readiness::Failed("too often".to_owned())),
        ] {
            assert_eq!(run(spec.clone(), status.clone()), expected, "{status}");
        }
        assert_eq!(run(json!({"template": {}, "suspend": true}), json!({})), Readiness::Ready);
    }
}
