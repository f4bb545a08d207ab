//! Conflicts of a server-side apply with other field managers. Pure.

use std::collections::BTreeMap;
use std::fmt;

use kube::core::Status;

use crate::domain::labels::FIELD_MANAGER;

/// Fields of an object that other managers own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    fields_by_manager: BTreeMap<String, Vec<String>>,
}

impl FieldConflict {
    /// `None` if the API server's answer is not a field conflict.
    pub(super) fn from_status(status: &Status) -> Option<Self> {
        let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
        let mut fields_by_manager = BTreeMap::<String, Vec<String>>::new();
        for cause in causes.iter().filter(|cause| cause.reason == "FieldManagerConflict") {
            let manager = manager_name(&cause.message).unwrap_or("an unknown manager");
            fields_by_manager.entry(manager.to_owned()).or_default().push(cause.field.clone());
        }
        (!fields_by_manager.is_empty()).then_some(Self { fields_by_manager })
    }

    /// Whether all fields belong to our own manager under another operation: Helm 3 updates fields, Helm 4 and slipway
    /// apply them.
    pub(super) fn is_with_own_manager(&self) -> bool {
        self.fields_by_manager.keys().all(|manager| manager == FIELD_MANAGER)
    }
}

impl fmt::Display for FieldConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (manager, fields)) in self.fields_by_manager.iter().enumerate() {
            let separator = if n > 0 { "; " } else { "" };
            write!(f, "{separator}{manager:?} set {}", fields.join(", "))?;
        }
        Ok(())
    }
}

/// Only the cause's message names the manager, as `conflict with "NAME" using …`.
fn manager_name(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("conflict with \"")?;
    rest.split_once('"').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn conflict(causes: &[(&str, &str)]) -> Option<FieldConflict> {
        let causes: Vec<_> = causes
            .iter()
            .map(|(message, field)| json!({"reason": "FieldManagerConflict", "message": message, "field": field}))
            .collect();
        let status = json!({"code": 409, "reason": "Conflict", "details": {"causes": causes}});
        FieldConflict::from_status(&serde_json::from_value(status).unwrap())
    }

    #[test]
    fn a_conflict_names_the_managers_and_their_fields() {
        let conflict = conflict(&[
            (r#"conflict with "kubectl-edit" using apps/v1"#, ".spec.replicas"),
            (r#"conflict with "kubectl-edit" using apps/v1 at 2026-11-21T03:00:00Z"#, ".spec.paused"),
            (r#"conflict with "helm" with subresource "status" using v1"#, ".metadata.labels.a"),
        ])
        .unwrap();
        assert!(!conflict.is_with_own_manager());
        assert_eq!(
            conflict.to_string(),
            r#""helm" set .metadata.labels.a; "kubectl-edit" set .spec.replicas, .spec.paused"#
        );
    }

    #[test]
    fn only_conflicts_with_helm_are_forced() {
        assert!(conflict(&[(r#"conflict with "helm" using v1"#, ".spec.ports")]).unwrap().is_with_own_manager());
        for other in
            ["conflict with \"helm2\" using v1", "conflict with \"x \\\"helm\" using v1", "conflict with helm", ""]
        {
            assert!(!conflict(&[(other, ".x")]).unwrap().is_with_own_manager(), "{other}");
        }
        assert_eq!(conflict(&[]), None);
    }
}
