//! Which probe a container waits for, in words. Pure.

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The probe that a running container waits for. The kubelet's events say more, but on a busy node they come late.
pub fn awaited(pod: &Pod, status: &ContainerStatus) -> Option<String> {
    let container = pod.spec.as_ref()?.containers.iter().find(|container| container.name == status.name)?;
    let (name, probe) = match &container.startup_probe {
        Some(startup) if status.started == Some(false) => ("startup", startup),
        _ => ("readiness", container.readiness_probe.as_ref()?),
    };
    Some(match asks(container, probe) {
        Some(question) => format!("{name} probe ({question})"),
        None => format!("{name} probe"),
    })
}

fn asks(container: &Container, probe: &Probe) -> Option<String> {
    if let Some(http) = &probe.http_get {
        let path = http.path.as_deref().unwrap_or("/");
        return Some(format!("HTTP GET {path} on port {}", number(container, &http.port)));
    }
    if let Some(tcp) = &probe.tcp_socket {
        return Some(format!("TCP port {}", number(container, &tcp.port)));
    }
    Some(probe.exec.as_ref()?.command.as_ref()?.join(" "))
}

/// A port's number, where the probe names it.
fn number(container: &Container, port: &IntOrString) -> String {
    let name = match port {
        IntOrString::Int(number) => return number.to_string(),
        IntOrString::String(name) => name,
    };
    let named = container.ports.iter().flatten().find(|port| port.name.as_ref() == Some(name));
    named.map_or_else(|| name.clone(), |port| port.container_port.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(started: bool, startup: &Value, readiness: &Value) -> Option<String> {
        let spec = json!({"containers": [{"name": "a", "ports": [{"name": "http", "containerPort": 8080}],
                          "startupProbe": startup, "readinessProbe": readiness}]});
        let status = json!({"name": "a", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                            "started": started});
        let pod = json!({"metadata": {"name": "a-1"}, "spec": spec});
        awaited(&serde_json::from_value(pod).unwrap(), &serde_json::from_value(status).unwrap())
    }

    #[test]
    fn it_is_named_with_what_it_asks() {
        let none = &json!(null);
        let tcp = &json!({"tcpSocket": {"port": "http"}});
        let http = &json!({"httpGet": {"path": "/ready", "port": 81}});
        let exec = &json!({"exec": {"command": ["test", "-e", "/up"]}});
        assert_eq!(read(false, tcp, http).as_deref(), Some("startup probe (TCP port 8080)"));
        assert_eq!(read(true, tcp, http).as_deref(), Some("readiness probe (HTTP GET /ready on port 81)"));
        assert_eq!(read(false, none, http).as_deref(), Some("readiness probe (HTTP GET /ready on port 81)"));
        assert_eq!(read(true, none, exec).as_deref(), Some("readiness probe (test -e /up)"));
        assert_eq!(read(true, none, &json!({"grpc": {"port": 9}})).as_deref(), Some("readiness probe"));
        assert_eq!(read(true, none, none), None);
    }
}
