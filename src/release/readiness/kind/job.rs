//! A Job is ready when it has completed. A suspended Job is ready at once: it completes only after a user resumes it.

use k8s_openapi::api::batch::v1::{JobSpec, JobStatus};
use kube::api::DynamicObject;

use super::status::{ObjectReadiness, ObjectStatus, parse_field};

pub(super) fn read_status(object: &DynamicObject) -> ObjectStatus {
    let status = parse_field::<JobStatus>(object, "status").unwrap_or_default();
    let suspended = parse_field::<JobSpec>(object, "spec").and_then(|spec| spec.suspend).unwrap_or_default();
    let mut conditions = status.conditions.iter().flatten().filter(|condition| condition.status == "True");
    let end = conditions.find(|condition| matches!(condition.type_.as_str(), "Complete" | "Failed"));
    match end {
        Some(failed) if failed.type_ == "Failed" => {
            let reason = failed.message.clone().or_else(|| failed.reason.clone());
            ObjectStatus::new(ObjectReadiness::Failed(reason.unwrap_or_else(|| "the Job failed".to_owned())))
        }
        Some(_) => ObjectStatus::new(ObjectReadiness::Ready),
        None if suspended => ObjectStatus::new(ObjectReadiness::Ready),
        None => ObjectStatus::progressing("it has not completed"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::TrackedKind;
    use super::super::testing::readiness;
    use super::*;

    #[test]
    fn a_job_is_ready_when_it_has_completed_or_is_suspended() {
        let with = |kind: &str, status: &str| json!({"conditions": [{"type": kind, "status": status, "reason": "BackoffLimitExceeded", "message": "too often"}]});
        let run = |spec: Value, status: Value| readiness(TrackedKind::Job, spec, status);
        let spec = json!({"template": {}});
        for (status, expected) in [
            (json!(null), ObjectReadiness::Progressing),
            (json!({"active": 1}), ObjectReadiness::Progressing),
            (with("Complete", "False"), ObjectReadiness::Progressing),
            (with("Suspended", "True"), ObjectReadiness::Progressing),
            (with("Complete", "True"), ObjectReadiness::Ready),
            (with("Failed", "True"), ObjectReadiness::Failed("too often".to_owned())),
        ] {
            assert_eq!(run(spec.clone(), status.clone()), expected, "{status}");
        }
        assert_eq!(run(json!({"template": {}, "suspend": true}), json!({})), ObjectReadiness::Ready);
    }
}
