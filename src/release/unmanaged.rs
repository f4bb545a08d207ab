//! Objects of a recorded revision that slipway leaves alone: it never applies or deletes them.

use std::fmt;

use serde_json::Value;

use super::discovery::{ApiDiscovery, DiscoveryError};
use super::object_id::ObjectId;
use super::ownership::{is_hook, namespace};
use super::record::Record;
use crate::domain::{Manifest, Target};

/// An object that only the tool that made it manages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnmanagedObject {
    /// Kind and name.
    pub object: String,
    pub reason: UnmanagedReason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UnmanagedReason {
    ClusterScoped,
    OtherNamespace(String),
    Hook,
}

impl fmt::Display for UnmanagedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, reason } = self;
        match reason {
            UnmanagedReason::ClusterScoped => write!(f, "{object} (cluster-scoped)"),
            UnmanagedReason::OtherNamespace(namespace) => write!(f, "{object} in namespace {namespace}"),
            UnmanagedReason::Hook => write!(f, "{object} (a hook of helm's)"),
        }
    }
}

/// Takes the objects out of `manifests` that are hooks, or in another namespace than the release. Cluster-scoped ones
/// remain: the scope of a kind is known from discovery only.
pub(super) fn split_off(manifests: Vec<Manifest>, target: &Target) -> (Vec<Manifest>, Vec<UnmanagedObject>) {
    let (mut managed, mut unmanaged) = (Vec::new(), Vec::new());
    for manifest in manifests {
        let other_namespace = namespace(&manifest.object).filter(|namespace| *namespace != target.namespace.as_str());
        let reason = match other_namespace {
            _ if is_hook(&manifest.object) => UnmanagedReason::Hook,
            Some(namespace) => UnmanagedReason::OtherNamespace(namespace.to_owned()),
            None => {
                managed.push(manifest);
                continue;
            }
        };
        unmanaged.push(UnmanagedObject { object: ObjectId::from_manifest(&manifest).to_string(), reason });
    }
    (managed, unmanaged)
}

/// The hooks of a record, which helm runs and keeps apart from the manifest.
pub(super) fn hooks(record: &Record) -> Vec<UnmanagedObject> {
    let hooks = record.hooks.as_array().into_iter().flatten();
    let text = |hook: &Value, key: &str| hook.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
    let object = |hook: &Value| format!("{}/{}", text(hook, "kind").to_lowercase(), text(hook, "name"));
    hooks.map(|hook| UnmanagedObject { object: object(hook), reason: UnmanagedReason::Hook }).collect()
}

/// The cluster-scoped objects of `manifests`.
pub(super) async fn cluster_scoped(
    discovery: &mut ApiDiscovery,
    manifests: &[Manifest],
) -> Result<Vec<UnmanagedObject>, DiscoveryError> {
    let mut found = Vec::new();
    for manifest in manifests {
        match discovery.resolve_stored(manifest).await {
            Err(DiscoveryError::ClusterScoped { object }) => {
                found.push(UnmanagedObject { object, reason: UnmanagedReason::ClusterScoped });
            }
            Ok(_) | Err(DiscoveryError::UnknownKind { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::target;

    fn manifest(name: &str, metadata: Value) -> Manifest {
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        object["metadata"]["name"] = name.into();
        Manifest { source: String::new(), object }
    }

    #[test]
    fn objects_of_other_namespaces_and_hooks_are_not_the_releases() {
        let manifests = vec![
            manifest("a", json!({})),
            manifest("b", json!({"namespace": "shop"})),
            manifest("c", json!({"namespace": "web"})),
            manifest("d", json!({"annotations": {"helm.sh/hook": "pre-install"}})),
        ];
        let (managed, unmanaged) = split_off(manifests, &target("shop", "web"));
        let names: Vec<_> = managed.iter().map(Manifest::name).collect();
        assert_eq!(names, ["a", "b"]);
        let texts: Vec<_> = unmanaged.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["configmap/c in namespace web", "configmap/d (a hook of helm's)"]);
    }
}
