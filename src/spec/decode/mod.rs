//! Reads the merged tree to an [`AppSpec`]. Every error and every unknown key is noted with its place.

mod autoscale;
mod build;
mod cron;
mod environment;
mod fields;
mod health;
mod names;
mod process;
mod resources;
mod values;

use std::collections::BTreeMap;

use super::node::Node;
use super::problem::Problems;
use super::source::WEB_KEYS;
use crate::domain::AppSpec;
use crate::domain::app_spec::{Process, ProcessName};
use fields::Fields;

pub(super) fn decode(root: &Node, problems: &mut Problems) -> AppSpec {
    let mut fields = Fields::open(root, "", problems);
    let spec = AppSpec {
        build: fields.read("build", build::read).unwrap_or_default(),
        env: fields.read("env", environment::read).unwrap_or_default(),
        env_from: fields.read("envFrom", environment::read_objects).unwrap_or_default(),
        processes: fields.read("processes", read_processes).unwrap_or_default(),
        predeploy: fields.read("predeploy", values::command),
        release: fields.read("release", values::command),
        cron: fields.read("cron", cron::read).unwrap_or_default(),
    };
    fields.also_known(&WEB_KEYS);
    fields.finish();
    if spec.processes.is_empty() && problems.has_no_errors() {
        problems.error(&root.origin, "the app has no process");
    }
    spec
}

/// A process whose value is null is none.
fn read_processes(node: &Node, path: &str, problems: &mut Problems) -> Option<BTreeMap<ProcessName, Process>> {
    let processes: BTreeMap<ProcessName, Process> = names::read_map(node, path, problems, process::read)?;
    if let Some(release) = node.get("release") {
        problems
            .error(&release.origin, format!("{path}.release is no process: write `release: COMMAND` at the top level"));
    }
    let without_command = processes.iter().filter(|(name, process)| !name.is_web() && process.command.is_none());
    for (name, _) in without_command {
        // A command that was read and is invalid has an error already.
        let process = node.get(name.as_str()).filter(|process| process.get("command").is_none_or(Node::is_null));
        if let Some(process) = process {
            problems.error(&process.origin, format!("{path}.{name} has no command: only web runs that of the image"));
        }
    }
    Some(processes)
}
