//! Whether slipway has the rights that it will need, so that a missing one is found at the start and not in a push.

use kube::Client;

use crate::apps::AppRights;
use crate::clusters::{self, CallError, Right};

/// What is needed in slipway's own namespace.
const OWN: [(&str, &str, &str); 6] = [
    ("list", "", "configmaps"),
    ("watch", "", "configmaps"),
    ("create", "", "configmaps"),
    ("patch", "", "configmaps"),
    ("create", "", "secrets"),
    ("get", "", "secrets"),
];
/// What is needed in the whole cluster: an app is a namespace.
const NAMESPACES: [(&str, &str, &str); 6] = [
    ("get", "", "namespaces"),
    ("list", "", "namespaces"),
    ("watch", "", "namespaces"),
    ("create", "", "namespaces"),
    ("patch", "", "namespaces"),
    ("delete", "", "namespaces"),
];
/// To take its rights in the namespace of an app.
const BINDING: [(&str, &str, &str); 2] =
    [("get", "rbac.authorization.k8s.io", "rolebindings"), ("create", "rbac.authorization.k8s.io", "rolebindings")];
/// What is needed in every namespace where no role is bound app by app: the least that any release needs. Kinds of
/// templates of one's own are asked for when they are applied.
const APPS: [(&str, &str, &str); 11] = [
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
const HOST_KEY: &str = "slipway-host-key";

/// The rights that are missing, each in words.
///
/// # Errors
/// [`CallError`] if the API server could not be asked.
pub async fn missing_rights(
    cluster: &Client,
    namespace: &str,
    rights: Option<&AppRights>,
) -> Result<Vec<String>, CallError> {
    let missing = clusters::missing(cluster, needed(namespace, rights)).await?;
    Ok(missing.iter().map(ToString::to_string).collect())
}

fn needed(namespace: &str, rights: Option<&AppRights>) -> Vec<Right> {
    let right = |(verb, group, resource): (&'static str, &'static str, &'static str), namespace: Option<&str>| Right {
        verb,
        group,
        resource,
        // The host key is the one Secret that slipway reads by its name.
        name: ((verb, resource) == ("get", "secrets")).then(|| HOST_KEY.to_owned()),
        namespace: namespace.map(str::to_owned),
    };
    let own = OWN.into_iter().map(|needed| right(needed, Some(namespace)));
    let cluster = NAMESPACES.into_iter().map(|needed| right(needed, None));
    let apps: Vec<Right> = match rights {
        None => APPS.into_iter().map(|needed| right(needed, None)).collect(),
        Some(rights) => {
            let bind = Right {
                name: Some(rights.role.clone()),
                ..right(("bind", "rbac.authorization.k8s.io", "clusterroles"), None)
            };
            BINDING.into_iter().map(|needed| right(needed, None)).chain([bind]).collect()
        }
    };
    own.chain(cluster).chain(apps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_role_of_its_own_slipway_needs_nothing_in_other_namespaces() {
        let rights = AppRights { role: "slipway-app".into(), account: "slipway/slipway".parse().unwrap() };
        let needed = needed("slipway", Some(&rights));
        assert!(!needed.iter().any(|right| right.resource == "secrets" && right.namespace.is_none()));
        assert!(needed.iter().any(|right| right.verb == "bind" && right.name.as_deref() == Some("slipway-app")));
        let everywhere = super::needed("slipway", None);
        assert!(everywhere.iter().any(|right| right.resource == "secrets" && right.namespace.is_none()));
        assert!(everywhere.iter().all(|right| right.verb != "bind"));
    }
}
