//! Whether slipway has the rights that it will need, so that a missing one is found at the start and not in a push.

use kube::Client;

use crate::apps::Reach;
use crate::clusters::{self, CallError, Right};

/// A verb, an API group, and a resource.
type Needed = (&'static str, &'static str, &'static str);

/// What is needed in slipway's own namespace.
const OWN: [Needed; 6] = [
    ("list", "", "configmaps"),
    ("watch", "", "configmaps"),
    ("create", "", "configmaps"),
    ("patch", "", "configmaps"),
    ("create", "", "secrets"),
    ("get", "", "secrets"),
];
/// What is needed in the whole cluster: an app is a namespace.
const NAMESPACES: [Needed; 6] = [
    ("get", "", "namespaces"),
    ("list", "", "namespaces"),
    ("watch", "", "namespaces"),
    ("create", "", "namespaces"),
    ("patch", "", "namespaces"),
    ("delete", "", "namespaces"),
];
/// To take its rights in the namespace of an app.
const BINDING: [Needed; 2] =
    [("get", "rbac.authorization.k8s.io", "rolebindings"), ("create", "rbac.authorization.k8s.io", "rolebindings")];
/// What is needed in every namespace where no role is bound app by app: the least that any release needs. Kinds of
/// templates of one's own are asked for when they are applied.
const APPS: [Needed; 11] = [
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

/// What is needed in a namespace that is there already, to mark it as an app's.
const MARKING: [Needed; 2] = [("get", "", "namespaces"), ("patch", "", "namespaces")];

/// Why slipway does not start.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// The API server could not be asked.
    #[error("its rights cannot be asked for")]
    Unknown(#[from] CallError),
    /// These are missing.
    #[error("it may not {0}")]
    Missing(String),
}

/// Names every right that is missing. One of the namespaces that are listed does not hold up the others: what is missing
/// there is logged.
///
/// # Errors
/// [`RightsError`]
pub async fn check_rights(cluster: &Client, namespace: &str, reach: &Reach) -> Result<(), RightsError> {
    let missing = clusters::missing(cluster, needed(namespace, reach)).await?;
    let in_one_app = |right: &Right| matches!(reach, Reach::Listed(_)) && right.namespace.as_deref() != Some(namespace);
    let (in_one_app, fatal): (Vec<_>, Vec<_>) = missing.into_iter().partition(in_one_app);
    for right in in_one_app {
        tracing::error!(%right, "a right is missing, so that no app can be deployed there");
    }
    if fatal.is_empty() {
        return Ok(());
    }
    let fatal: Vec<String> = fatal.iter().map(ToString::to_string).collect();
    Err(RightsError::Missing(fatal.join("; nor ")))
}

fn needed(namespace: &str, reach: &Reach) -> Vec<Right> {
    let mut rights: Vec<Right> = OWN.iter().map(|needed| right(needed, Some(namespace))).collect();
    let cluster = |needed: &[Needed]| needed.iter().map(|needed| right(needed, None)).collect::<Vec<_>>();
    match reach {
        Reach::Cluster => rights.extend(cluster(&NAMESPACES).into_iter().chain(cluster(&APPS))),
        Reach::Bound(bound) => {
            let bind = right(&("bind", "rbac.authorization.k8s.io", "clusterroles"), None);
            let bind = Right { name: Some(bound.role.clone()), ..bind };
            rights.extend(cluster(&NAMESPACES).into_iter().chain(cluster(&BINDING)).chain([bind]));
        }
        Reach::Listed(listed) => {
            for app in listed {
                let mark = MARKING.iter().map(|needed| right(needed, Some(app.as_str())));
                rights.extend(mark.map(|right| Right { name: Some(app.to_string()), ..right }));
                rights.extend(APPS.iter().map(|needed| right(needed, Some(app.as_str()))));
            }
        }
    }
    rights
}

fn right(&(verb, group, resource): &Needed, namespace: Option<&str>) -> Right {
    // The host key is the one Secret that slipway reads by its name.
    let name = ((verb, resource) == ("get", "secrets")).then(|| HOST_KEY.to_owned());
    Right { verb, group, resource, name, namespace: namespace.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::AppRights;

    #[test]
    fn with_a_role_of_its_own_slipway_needs_nothing_in_other_namespaces() {
        let rights = AppRights { role: "slipway-app".into(), account: "slipway/slipway".parse().unwrap() };
        let needed = needed("slipway", &Reach::Bound(rights));
        assert!(!needed.iter().any(|right| right.resource == "secrets" && right.namespace.is_none()));
        assert!(needed.iter().any(|right| right.verb == "bind" && right.name.as_deref() == Some("slipway-app")));
        let everywhere = super::needed("slipway", &Reach::Cluster);
        assert!(everywhere.iter().any(|right| right.resource == "secrets" && right.namespace.is_none()));
        assert!(everywhere.iter().all(|right| right.verb != "bind"));
    }

    #[test]
    fn where_its_namespaces_are_listed_slipway_needs_nothing_in_the_whole_cluster() {
        let listed = Reach::Listed(["one".parse().unwrap(), "two".parse().unwrap()].into());
        let needed = needed("slipway", &listed);
        assert!(needed.iter().all(|right| right.namespace.is_some()));
        for app in ["one", "two"] {
            let marks = needed.iter().any(|right| right.verb == "patch" && right.name.as_deref() == Some(app));
            assert!(marks, "{needed:?}");
        }
    }
}
