//! Where the connections of a release arrive, read from its applied objects. Pure.

use std::net::IpAddr;

use kube::api::DynamicObject;
use serde_json::Value;

use crate::domain::ReleaseName;

/// The address of a Service inside the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceAddress {
    pub ip: IpAddr,
    /// The Service's first TCP port.
    pub port: Option<u16>,
    /// The pods that have to answer.
    pub pods: ServingPods,
}

/// The pods of a release, after its objects were applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServingPods {
    /// The release is scaled to zero.
    None,
    /// The pods of the revision before go on.
    Unchanged,
    /// There are pods where none was.
    First,
    /// They replaced others.
    Replaced,
}

/// The address of the Service that has the release's name, or else of the first Service; `None` for a headless Service, or
/// without one.
pub(super) fn service_address(
    applied: &[DynamicObject],
    release: &ReleaseName,
    is_first_revision: bool,
) -> Option<ServiceAddress> {
    let mut services: Vec<_> = applied.iter().filter(|object| kind(object) == "Service").collect();
    services.sort_by_key(|service| service.metadata.name.as_deref() != Some(release.as_str()));
    let spec = services.first()?.data.get("spec")?;
    let ip = spec.get("clusterIP").and_then(Value::as_str)?.parse().ok()?;
    let ports = spec.get("ports").and_then(Value::as_array).into_iter().flatten();
    let tcp = ports.filter(|port| port.get("protocol").and_then(Value::as_str).unwrap_or("TCP") == "TCP");
    let port = tcp.filter_map(|port| u16::try_from(port.get("port")?.as_u64()?).ok()).next();
    Some(ServiceAddress { ip, port, pods: serving_pods(applied, is_first_revision) })
}

fn serving_pods(applied: &[DynamicObject], is_first_revision: bool) -> ServingPods {
    let workloads =
        || applied.iter().filter(|object| matches!(kind(object), "Deployment" | "StatefulSet" | "DaemonSet"));
    let running =
        || workloads().filter(|object| object.data.pointer("/spec/replicas").and_then(Value::as_i64) != Some(0));
    if running().next().is_none() {
        ServingPods::None
    } else if is_first_revision {
        ServingPods::First
    } else if running().any(is_changed) {
        ServingPods::Replaced
    } else {
        ServingPods::Unchanged
    }
}

/// Whether the apply changed the object's specification, which its controller has not observed yet.
fn is_changed(object: &DynamicObject) -> bool {
    let observed = object.data.pointer("/status/observedGeneration").and_then(Value::as_i64);
    object.metadata.generation != observed
}

fn kind(object: &DynamicObject) -> &str {
    object.types.as_ref().map_or("", |types| &types.kind)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    fn service(name: &str, ip: &str) -> DynamicObject {
        let ports = json!([{"port": 53, "protocol": "UDP"}, {"port": 80}]);
        object(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
                      "spec": {"clusterIP": ip, "ports": ports}}))
    }

    fn deployment(replicas: i64, observed: Option<i64>) -> DynamicObject {
        object(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "generation": 2},
                      "spec": {"replicas": replicas}, "status": {"observedGeneration": observed}}))
    }

    fn address(applied: &[DynamicObject]) -> Option<ServiceAddress> {
        service_address(applied, &"web".parse().unwrap(), false)
    }

    #[test]
    fn the_service_with_the_name_of_the_release_is_preferred() {
        let found = address(&[service("a", "10.0.0.1"), service("web", "10.0.0.2")]).unwrap();
        assert_eq!((found.ip.to_string().as_str(), found.port), ("10.0.0.2", Some(80)));
        assert_eq!(address(&[service("a", "10.0.0.1")]).unwrap().ip.to_string(), "10.0.0.1");
    }

    #[test]
    fn a_headless_service_has_no_address() {
        assert_eq!(address(&[service("web", "None")]), None);
        assert_eq!(address(&[]), None);
    }

    #[test]
    fn pods_are_replaced_if_their_controller_has_something_to_observe() {
        let pods = |deployment| address(&[service("web", "10.0.0.1"), deployment]).unwrap().pods;
        assert_eq!(pods(deployment(0, Some(1))), ServingPods::None);
        assert_eq!(pods(deployment(1, Some(1))), ServingPods::Replaced);
        assert_eq!(pods(deployment(1, Some(2))), ServingPods::Unchanged);
        let applied = [service("web", "10.0.0.1"), deployment(1, None)];
        assert_eq!(service_address(&applied, &"web".parse().unwrap(), true).unwrap().pods, ServingPods::First);
    }
}
