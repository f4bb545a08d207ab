//! Checks slipway's Kubernetes permissions at the start, so that a missing one does not first fail a push.

use kube::Client;

use crate::apps::NamespaceScope;
use crate::k8s::{self, ApiError, Permission};

/// A verb, an API group and a resource.
type Rule = (&'static str, &'static str, &'static str);

/// Rules for slipway's own namespace.
const OWN_NAMESPACE: [Rule; 6] = [
    ("list", "", "configmaps"),
    ("watch", "", "configmaps"),
    ("create", "", "configmaps"),
    ("patch", "", "configmaps"),
    ("create", "", "secrets"),
    ("get", "", "secrets"),
];
/// Rules for all namespaces: slipway creates one for each app.
const ALL_NAMESPACES: [Rule; 6] = [
    ("get", "", "namespaces"),
    ("list", "", "namespaces"),
    ("watch", "", "namespaces"),
    ("create", "", "namespaces"),
    ("patch", "", "namespaces"),
    ("delete", "", "namespaces"),
];
/// Rules for binding the app role in an app's namespace.
const ROLE_BINDINGS: [Rule; 2] =
    [("get", "rbac.authorization.k8s.io", "rolebindings"), ("create", "rbac.authorization.k8s.io", "rolebindings")];
/// The least rules that a release needs in the app's namespace, if no role is bound there per app. Custom templates may need
/// more: those permissions are only checked when a push applies the objects.
const APP_NAMESPACE: [Rule; 11] = [
    ("create", "coordination.k8s.io", "leases"),
    ("update", "coordination.k8s.io", "leases"),
    ("list", "", "secrets"),
    ("create", "", "secrets"),
    ("patch", "", "secrets"),
    ("patch", "apps", "deployments"),
    ("delete", "apps", "deployments"),
    ("watch", "apps", "replicasets"),
    ("patch", "", "services"),
    ("watch", "", "pods"),
    ("get", "", "pods/log"),
];
/// Rules for marking an existing namespace as an app's.
const LISTED_NAMESPACE: [Rule; 2] = [("get", "", "namespaces"), ("patch", "", "namespaces")];
const HOST_KEY_SECRET: &str = "slipway-host-key";

#[derive(Debug, thiserror::Error)]
pub enum PermissionError {
    #[error("cannot check slipway's Kubernetes permissions")]
    Api(#[from] ApiError),
    #[error("slipway's account lacks these permissions, grant them with RBAC: {0}")]
    Missing(String),
}

/// Checks all permissions. A permission that is missing in a single listed namespace is only logged, so that the other
/// namespaces stay usable.
///
/// # Errors
/// [`PermissionError::Missing`] names every other missing permission.
pub async fn check_permissions(
    client: &Client,
    own_namespace: &str,
    scope: &NamespaceScope,
) -> Result<(), PermissionError> {
    let missing = k8s::missing_permissions(client, required_permissions(own_namespace, scope)).await?;
    let affects_one_app = |permission: &Permission| {
        matches!(scope, NamespaceScope::AllowList(_)) && permission.namespace.as_deref() != Some(own_namespace)
    };
    let (affects_one_app, fatal): (Vec<_>, Vec<_>) = missing.into_iter().partition(affects_one_app);
    for permission in affects_one_app {
        tracing::error!(%permission, "slipway cannot deploy to a namespace of --namespaces: a permission is missing");
    }
    if fatal.is_empty() {
        return Ok(());
    }
    let fatal: Vec<String> = fatal.iter().map(ToString::to_string).collect();
    Err(PermissionError::Missing(fatal.join("; ")))
}

fn required_permissions(own_namespace: &str, scope: &NamespaceScope) -> Vec<Permission> {
    let in_cluster = |rules: &[Rule]| rules.iter().map(|rule| permission(rule, None)).collect::<Vec<_>>();
    let mut permissions: Vec<_> = OWN_NAMESPACE.iter().map(|rule| permission(rule, Some(own_namespace))).collect();
    match scope {
        NamespaceScope::AllNamespaces => {
            permissions.extend(in_cluster(&ALL_NAMESPACES).into_iter().chain(in_cluster(&APP_NAMESPACE)));
        }
        NamespaceScope::RoleBinding(binding) => {
            let bind = permission(&("bind", "rbac.authorization.k8s.io", "clusterroles"), None);
            let bind = Permission { name: Some(binding.role.clone()), ..bind };
            permissions.extend(in_cluster(&ALL_NAMESPACES).into_iter().chain(in_cluster(&ROLE_BINDINGS)).chain([bind]));
        }
        NamespaceScope::AllowList(apps) => {
            for app in apps {
                let in_app = |rule| permission(rule, Some(app.as_str()));
                let mark = LISTED_NAMESPACE.iter().map(in_app);
                permissions.extend(mark.map(|mark| Permission { name: Some(app.to_string()), ..mark }));
                permissions.extend(APP_NAMESPACE.iter().map(in_app));
            }
        }
    }
    permissions
}

fn permission(&(verb, group, resource): &Rule, namespace: Option<&str>) -> Permission {
    // The host key is the only Secret that slipway reads by name.
    let name = ((verb, resource) == ("get", "secrets")).then(|| HOST_KEY_SECRET.to_owned());
    Permission { verb, group, resource, name, namespace: namespace.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::AppRoleBinding;

    #[test]
    fn with_an_app_role_slipway_needs_no_permission_on_secrets_in_all_namespaces() {
        let binding = AppRoleBinding { role: "slipway-app".into(), account: "slipway/slipway".parse().unwrap() };
        let required = required_permissions("slipway", &NamespaceScope::RoleBinding(binding));
        assert!(!required.iter().any(|one| one.resource == "secrets" && one.namespace.is_none()));
        assert!(required.iter().any(|one| one.verb == "bind" && one.name.as_deref() == Some("slipway-app")));
        let required = required_permissions("slipway", &NamespaceScope::AllNamespaces);
        assert!(required.iter().any(|one| one.resource == "secrets" && one.namespace.is_none()));
        assert!(required.iter().all(|one| one.verb != "bind"));
    }

    #[test]
    fn with_an_allow_list_slipway_needs_no_cluster_wide_permission() {
        let listed = NamespaceScope::AllowList(["one".parse().unwrap(), "two".parse().unwrap()].into());
        let required = required_permissions("slipway", &listed);
        assert!(required.iter().all(|one| one.namespace.is_some()));
        for app in ["one", "two"] {
            let marks_app = required.iter().any(|one| one.verb == "patch" && one.name.as_deref() == Some(app));
            assert!(marks_app, "{required:?}");
        }
    }
}
