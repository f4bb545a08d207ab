//! Fields that cannot be changed once an object exists. Pure.

use kube::core::Status;
use serde_json::Value;

/// The immutable fields for which the API server refused a change; empty if it had another reason. Only meaningful for
/// an object that exists: the creation of an object can fail with the same texts.
///
/// The texts are the only evidence: the server answers 422 with the reasons `FieldValueInvalid` and
/// `FieldValueForbidden`, which wrong values get as well.
pub(super) fn immutable_fields(status: &Status) -> Vec<String> {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    let immutable = causes.iter().filter(|cause| {
        let texts = ["immutable", "updates to", "cannot change"];
        status.code == 422 && texts.iter().any(|text| cause.message.contains(text))
    });
    immutable.map(|cause| cause.field.clone()).collect()
}

pub(super) fn is_job(object: &Value) -> bool {
    object.get("kind").and_then(Value::as_str) == Some("Job")
}

/// Whether the object is a Job that has finished: deleting and recreating it loses nothing.
pub(super) fn is_finished_job(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let is_finished = |condition: &Value| {
        let has = |key: &str, text: &str| condition.get(key).and_then(Value::as_str) == Some(text);
        has("status", "True") && (has("type", "Complete") || has("type", "Failed"))
    };
    is_job(object) && conditions.is_some_and(|conditions| conditions.iter().any(is_finished))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields_of(code: u16, causes: &[(&str, &str)]) -> Vec<String> {
        let causes: Vec<_> =
            causes.iter().map(|(field, message)| json!({"reason": "x", "field": field, "message": message})).collect();
        let status = json!({"code": code, "reason": "Invalid", "details": {"causes": causes}});
        immutable_fields(&serde_json::from_value(status).unwrap())
    }

    #[test]
    fn only_the_immutable_fields_are_found() {
        let selector = ("spec.selector", "Invalid value: v1.LabelSelector{}: field is immutable");
        let set = ("spec", "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden");
        let role = ("roleRef", "Invalid value: rbac.RoleRef{}: cannot change roleRef");
        let wrong = ("spec.ports", "Required value");
        assert_eq!(fields_of(422, &[selector, wrong, set, role]), ["spec.selector", "spec", "roleRef"]);
        assert_eq!(fields_of(422, &[wrong]), Vec::<String>::new());
        assert_eq!(fields_of(409, &[selector]), Vec::<String>::new());
    }

    #[test]
    fn only_a_finished_job_is_finished_job() {
        let job = |kind: &str, condition: &str, status: &str| json!({"kind": kind, "status": {"conditions": [{"type": condition, "status": status}]}});
        assert!(is_finished_job(&job("Job", "Complete", "True")));
        assert!(is_finished_job(&job("Job", "Failed", "True")));
        assert!(!is_finished_job(&job("Job", "Complete", "False")));
        assert!(!is_finished_job(&job("Job", "Suspended", "True")));
        assert!(!is_finished_job(&job("Deployment", "Complete", "True")));
        assert!(!is_finished_job(&json!({"kind": "Job"})));
    }
}
