//! `healthchecks`: a list of checks for each process.

use super::super::super::node::{Entry, Node, Value};
use super::super::super::problem::Problems;
use super::{copy_keys, warn_unused};

/// The keys of a check that have a counterpart.
const KEYS: [&str; 12] = [
    "type",
    "name",
    "path",
    "command",
    "listening",
    "port",
    "initialDelay",
    "timeout",
    "attempts",
    "wait",
    "content",
    "warn",
];

pub(super) fn translate(healthchecks: &Node, root: &mut Node, problems: &mut Problems) {
    for Entry { key: process, value: checks, .. } in healthchecks.entries() {
        let Value::List(checks) = &checks.value else {
            problems.error(&checks.origin, format!("healthchecks.{process} has to be a list"));
            continue;
        };
        for check in checks {
            translate_check(check, root, process, problems);
        }
    }
}

fn translate_check(check: &Node, root: &mut Node, process: &str, problems: &mut Problems) {
    warn_unused(check, &KEYS, problems);
    let kind = check.get("type").and_then(Node::as_text).unwrap_or("startup");
    if !matches!(kind, "startup" | "liveness" | "readiness") {
        let message = format!("the type of a health check is startup, liveness or readiness, not {kind:?}");
        return problems.error(&check.origin, message);
    }
    let path = ["processes", process, "health", kind];
    copy_action(check, root, &path);
    let times =
        [("initialDelay", "initialDelay"), ("timeout", "timeout"), ("attempts", "failures"), ("wait", "period")];
    copy_keys(check, root, &path, &times);
}

/// Dokku's `listening` asks whether the process listens; a path or a command takes precedence.
fn copy_action(check: &Node, root: &mut Node, path: &[&str]) {
    let has_own = check.get("path").is_some() || check.get("command").is_some();
    copy_keys(check, root, path, &[("path", "path"), ("command", "command"), ("port", "port")]);
    if let Some(listening) = check.get("listening").filter(|node| node.as_text() == Some("true") && !has_own) {
        root.set(&[path, &["type"]].concat(), Node::scalar("tcp", &listening.origin));
    }
}
