//! Probes.

use super::super::node::{Node, Value};
use super::super::problem::Problems;
use super::fields::Fields;
use super::values;
use crate::domain::app_spec::{Health, HealthPath, Probe, ProbeAction};

pub(super) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Health> {
    let mut fields = Fields::open(node, path, problems);
    let health = Health {
        action: read_action(&mut fields, node),
        startup: fields.read("startup", read_startup).unwrap_or_default(),
        readiness: fields.read("readiness", read_probe).unwrap_or_default(),
        liveness: fields.read("liveness", read_probe).unwrap_or_default(),
    };
    fields.finish();
    Some(health)
}

/// A number of seconds, which the app may take to start, or a probe.
fn read_startup(node: &Node, path: &str, problems: &mut Problems) -> Option<Probe> {
    if matches!(node.value, Value::Map(_)) {
        return read_probe(node, path, problems);
    }
    let failures = values::number(1..=3600, "number of seconds")(node, path, problems)?;
    Some(Probe { period: Some(1), failures: Some(failures), ..Probe::default() })
}

fn read_probe(node: &Node, path: &str, problems: &mut Problems) -> Option<Probe> {
    let mut fields = Fields::open(node, path, problems);
    let positive = || values::number(1..=3600, "positive number of seconds");
    let probe = Probe {
        action: read_action(&mut fields, node),
        initial_delay: fields.read("initialDelay", values::seconds),
        period: fields.read("period", positive()),
        timeout: fields.read("timeout", positive()),
        failures: fields.read("failures", values::number(1..=3600, "number of failures")),
    };
    fields.finish();
    Some(probe)
}

/// The check of a probe: by its type, or by the key that only one type has.
fn read_action(fields: &mut Fields<'_, '_>, node: &Node) -> Option<ProbeAction> {
    let kind = fields.read("type", values::text);
    let path = fields.read("path", values::parsed::<HealthPath>);
    let command = fields.read("command", read_exec);
    let port = fields.read("port", values::port);
    let action = match (kind.as_deref(), path, command) {
        (None | Some("http"), Some(path), None) => Ok(Some(ProbeAction::Http { path, port })),
        (None | Some("exec"), None, Some(command)) => Ok(Some(ProbeAction::Exec { command })),
        (Some("tcp"), None, None) => Ok(Some(ProbeAction::Tcp { port })),
        (Some("grpc"), None, None) => Ok(Some(ProbeAction::Grpc { port })),
        (Some("none"), None, None) => Ok(Some(ProbeAction::None)),
        (None, None, None) => Ok(port.map(|port| ProbeAction::Tcp { port: Some(port) })),
        (Some("http"), None, None) => Err("a check of type http needs a path".to_owned()),
        (Some("exec"), None, None) => Err("a check of type exec needs a command".to_owned()),
        (Some("http" | "tcp" | "grpc" | "exec" | "none") | None, ..) => {
            Err("a check has either a path or a command, of its own type".to_owned())
        }
        (Some(other), ..) => Err(format!("{other:?} is no type of check: http, tcp, exec, grpc or none")),
    };
    action.map_err(|message| fields.problems().error(&node.origin, message)).ok()?
}

fn read_exec(node: &Node, path: &str, problems: &mut Problems) -> Option<Vec<String>> {
    values::command(node, path, problems).map(|command| command.to_arguments())
}
