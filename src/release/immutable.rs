//! Fields that nobody can change once an object is there. Pure.

use kube::core::Status;
use serde_json::Value;

/// The fields because of which the API server refuses a change, if it is that. Only for an object that exists: a new one
/// may be refused in the same words.
///
/// Nothing but the words tells: the server answers 422 with the reasons `FieldValueInvalid` and `FieldValueForbidden`,
/// which a field with a wrong value gets as well.
pub fn fields(status: &Status) -> Vec<String> {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    let immutable = causes.iter().filter(|cause| {
        let words = ["immutable", "updates to", "cannot change"];
        status.code == 422 && words.iter().any(|words| cause.message.contains(words))
    });
    immutable.map(|cause| cause.field.clone()).collect()
}

/// Whether an object can be deleted and made anew without a loss: a Job that has ended.
pub fn is_replaceable(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let ended = |condition: &Value| {
        let is = |key: &str, text: &str| condition.get(key).and_then(Value::as_str) == Some(text);
        is("status", "True") && (is("type", "Complete") || is("type", "Failed"))
    };
    let job = object.get("kind").and_then(Value::as_str) == Some("Job");
    job && conditions.is_some_and(|conditions| conditions.iter().any(ended))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(code: u16, causes: &[(&str, &str)]) -> Vec<String> {
        let causes: Vec<_> =
            causes.iter().map(|(field, message)| json!({"reason": "x", "field": field, "message": message})).collect();
        let status = json!({"code": code, "reason": "Invalid", "details": {"causes": causes}});
        fields(&serde_json::from_value(status).unwrap())
    }

    #[test]
    fn the_fields_are_those_that_the_server_will_not_change() {
        let selector = ("spec.selector", "Invalid value: v1.LabelSelector{}: field is immutable");
        let set = ("spec", "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden");
        let role = ("roleRef", "Invalid value: rbac.RoleRef{}: cannot change roleRef");
        let wrong = ("spec.ports", "Required value");
        assert_eq!(of(422, &[selector, wrong, set, role]), ["spec.selector", "spec", "roleRef"]);
        assert_eq!(of(422, &[wrong]), Vec::<String>::new());
        assert_eq!(of(409, &[selector]), Vec::<String>::new());
    }

    #[test]
    fn only_a_job_that_has_ended_is_replaced() {
        let job = |kind: &str, condition: &str, status: &str| json!({"kind": kind, "status": {"conditions": [{"type": condition, "status": status}]}});
        assert!(is_replaceable(&job("Job", "Complete", "True")));
        assert!(is_replaceable(&job("Job", "Failed", "True")));
        assert!(!is_replaceable(&job("Job", "Complete", "False")));
        assert!(!is_replaceable(&job("Job", "Suspended", "True")));
        assert!(!is_replaceable(&job("Deployment", "Complete", "True")));
        assert!(!is_replaceable(&json!({"kind": "Job"})));
    }
}
