//! Who owns the fields that a server-side apply would take. Pure.

use std::collections::BTreeMap;
use std::fmt;

use kube::core::Status;

use crate::domain::labels::FIELD_MANAGER;

/// Fields of an object that someone else set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// The fields of each manager.
    pub owners: BTreeMap<String, Vec<String>>,
}

impl FieldConflict {
    /// The conflict in an answer of the API server, if it is one.
    pub fn of(status: &Status) -> Option<Self> {
        let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
        let mut owners = BTreeMap::<String, Vec<String>>::new();
        for cause in causes.iter().filter(|cause| cause.reason == "FieldManagerConflict") {
            let owner = owner(&cause.message).unwrap_or("an unknown manager");
            owners.entry(owner.to_owned()).or_default().push(cause.field.clone());
        }
        (!owners.is_empty()).then_some(Self { owners })
    }

    /// Whether all of it is the same owner under another operation: Helm 3 updated what Helm 4 and slipway apply.
    pub fn is_with_ourselves(&self) -> bool {
        self.owners.keys().all(|owner| owner == FIELD_MANAGER)
    }
}

impl fmt::Display for FieldConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (owner, fields)) in self.owners.iter().enumerate() {
            let separator = if n > 0 { "; " } else { "" };
            write!(f, "{separator}{owner:?} set {}", fields.join(", "))?;
        }
        Ok(())
    }
}

/// The manager is named nowhere but in the cause's message, as `conflict with "NAME" using …`.
fn owner(message: &str) -> Option<&str> {
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
        FieldConflict::of(&serde_json::from_value(status).unwrap())
    }

    #[test]
    fn a_conflict_names_who_and_what() {
        let conflict = conflict(&[
            (r#"conflict with "kubectl-edit" using apps/v1"#, ".spec.replicas"),
            (r#"conflict with "kubectl-edit" using apps/v1 at 2026-11-21T03:00:00Z"#, ".spec.paused"),
            (r#"conflict with "helm" with subresource "status" using v1"#, ".metadata.labels.a"),
        ])
        .unwrap();
        assert!(!conflict.is_with_ourselves());
        assert_eq!(
            conflict.to_string(),
            r#""helm" set .metadata.labels.a; "kubectl-edit" set .spec.replicas, .spec.paused"#
        );
    }

    #[test]
    fn only_managers_named_helm_are_overruled() {
        assert!(conflict(&[(r#"conflict with "helm" using v1"#, ".spec.ports")]).unwrap().is_with_ourselves());
        for other in
            ["conflict with \"helm2\" using v1", "conflict with \"x \\\"helm\" using v1", "conflict with helm", ""]
        {
            assert!(!conflict(&[(other, ".x")]).unwrap().is_with_ourselves(), "{other}");
        }
        assert_eq!(conflict(&[]), None);
    }
}
