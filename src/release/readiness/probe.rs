//! A description of the probe that a running container has not passed yet. Pure.

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The probe that a running container has not passed yet. The kubelet's events hold more detail, but come late on a
/// busy node.
pub(super) fn describe_pending_probe(pod: &Pod, status: &ContainerStatus) -> Option<String> {
    let container = pod.spec.as_ref()?.containers.iter().find(|container| container.name == status.name)?;
    let (name, probe) = match &container.startup_probe {
        Some(startup) if status.started == Some(false) => ("startup", startup),
        _ => ("readiness", container.readiness_probe.as_ref()?),
    };
    Some(match describe_check(container, probe) {
        Some(check) => format!("{name} probe ({check})"),
        None => format!("{name} probe"),
    })
}

/// Whether the pod has a container that counts as ready as soon as it runs. Sidecars with a `restartPolicy` are init
/// containers.
pub(super) fn has_unprobed_container(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.into_iter().any(|container| container.startup_probe.is_none() && container.readiness_probe.is_none())
}

fn describe_check(container: &Container, probe: &Probe) -> Option<String> {
    if let Some(http) = &probe.http_get {
        let path = http.path.as_deref().unwrap_or("/");
        return Some(format!("HTTP GET {path} on port {}", resolve_port(container, &http.port)));
    }
    if let Some(tcp) = &probe.tcp_socket {
        return Some(format!("TCP port {}", resolve_port(container, &tcp.port)));
    }
    Some(probe.exec.as_ref()?.command.as_ref()?.join(" "))
}

/// The number of a port; a name that the container does not declare stays a name.
fn resolve_port(container: &Container, port: &IntOrString) -> String {
    let name = match port {
        IntOrString::Int(number) => return number.to_string(),
        IntOrString::String(name) => name,
    };
    let declared = container.ports.iter().flatten().find(|port| port.name.as_ref() == Some(name));
    declared.map_or_else(|| name.clone(), |port| port.container_port.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pending_probe(started: bool, startup: &Value, readiness: &Value) -> Option<String> {
        let spec = json!({"containers": [{"name": "a", "ports": [{"name": "http", "containerPort": 8080}],
                          "startupProbe": startup, "readinessProbe": readiness}]});
        let status = json!({"name": "a", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                            "started": started});
        let pod = json!({"metadata": {"name": "a-1"}, "spec": spec});
        describe_pending_probe(&serde_json::from_value(pod).unwrap(), &serde_json::from_value(status).unwrap())
    }

    #[test]
    fn a_pending_probe_is_named_with_its_check() {
        let none = &json!(null);
        let tcp = &json!({"tcpSocket": {"port": "http"}});
        let http = &json!({"httpGet": {"path": "/ready", "port": 81}});
        let exec = &json!({"exec": {"command": ["test", "-e", "/up"]}});
        let grpc = &json!({"grpc": {"port": 9}});
        assert_eq!(pending_probe(false, tcp, http).as_deref(), Some("startup probe (TCP port 8080)"));
        assert_eq!(pending_probe(true, tcp, http).as_deref(), Some("readiness probe (HTTP GET /ready on port 81)"));
        assert_eq!(pending_probe(false, none, http).as_deref(), Some("readiness probe (HTTP GET /ready on port 81)"));
        assert_eq!(pending_probe(true, none, exec).as_deref(), Some("readiness probe (test -e /up)"));
        assert_eq!(pending_probe(true, none, grpc).as_deref(), Some("readiness probe"));
        assert_eq!(pending_probe(true, none, none), None);
    }
}
