//! Replaces the pod template of a workload as a whole.
//!
//! Server-side apply removes only the fields that the manager owns. Of a probe that the manifest no longer has, the defaults
//! that the server had added remain, and the server refuses them as an incomplete probe.

use kube::api::{DynamicObject, PostParams};
use kube::core::Status;
use serde_json::Value;

use super::csa_migration::migrate_object;
use super::discovery::ResolvedResource;
use super::object_id::ObjectId;
use crate::domain::labels::FIELD_MANAGER;
use crate::k8s::{ApiError, with_retries};

/// Attempts per object, for writes by others between the read and the replacement.
const ATTEMPTS: usize = 8;
/// The fields of `spec` that hold a template.
const TEMPLATES: [&str; 2] = ["template", "jobTemplate"];

/// Whether the API server refused an apply because the result lacks required fields of a template: the template may have
/// remains of the former one, or really lack them.
pub(super) fn lacks_template_fields(status: &Status) -> bool {
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    let is_in_template = |field: &str| TEMPLATES.iter().any(|name| field.starts_with(&format!("spec.{name}.")));
    status.code == 422
        && causes.iter().any(|cause| cause.reason == "FieldValueRequired" && is_in_template(&cause.field))
}

/// Replaces the templates of the live object with those of `object`; `None` if there is no live object.
pub(super) async fn replace_template(
    resource: &ResolvedResource,
    id: &ObjectId,
    object: &Value,
    dry_run: bool,
) -> Result<Option<DynamicObject>, ApiError> {
    let mut replaced = try_replace(resource, id, object, dry_run).await;
    for _ in 1..ATTEMPTS {
        match &replaced {
            Err(error) if error.is_conflict() => replaced = try_replace(resource, id, object, dry_run).await,
            _ => break,
        }
    }
    if matches!(replaced, Ok(Some(_))) && !dry_run {
        // A replacement is an update; an apply could not remove its fields later.
        migrate_object(resource, id).await?;
    }
    replaced
}

async fn try_replace(
    resource: &ResolvedResource,
    id: &ObjectId,
    object: &Value,
    dry_run: bool,
) -> Result<Option<DynamicObject>, ApiError> {
    let api = &resource.api;
    let live = with_retries(format!("reading {id}"), || api.get_opt(&id.name)).await?;
    let Some(mut live) = live else { return Ok(None) };
    for name in TEMPLATES {
        let template = object.pointer(&format!("/spec/{name}"));
        if let (Some(template), Some(place)) = (template, live.data.pointer_mut(&format!("/spec/{name}"))) {
            *place = template.clone();
        }
    }
    let params = PostParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) };
    let action = format!("replacing the pod template of {id}");
    with_retries(action, || api.replace(&id.name, &params, &live)).await.map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_required_fields_of_a_template_are_recognized() {
        let is_recognized = |code: u16, reason: &str, field: &str| {
            let causes =
                json!([{"reason": reason, "message": "Required value: must specify a handler type", "field": field}]);
            let status = json!({"code": code, "reason": "Invalid", "details": {"causes": causes}});
            lacks_template_fields(&serde_json::from_value(status).unwrap())
        };
        let probe = "spec.template.spec.containers[0].livenessProbe";
        assert!(is_recognized(422, "FieldValueRequired", probe));
        assert!(is_recognized(422, "FieldValueRequired", "spec.jobTemplate.spec.template.spec.containers"));
        assert!(!is_recognized(422, "FieldValueInvalid", probe));
        assert!(!is_recognized(422, "FieldValueRequired", "spec.templates"));
        assert!(!is_recognized(409, "FieldValueRequired", probe));
    }
}
