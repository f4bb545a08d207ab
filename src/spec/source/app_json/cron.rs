//! `cron`: a list of tasks, which have no names.

use super::super::super::node::{Node, Value};
use super::super::super::problem::Problems;
use super::{copy_keys, warn_unused};

pub(super) fn translate(cron: &Node, root: &mut Node, problems: &mut Problems) {
    let Value::List(tasks) = &cron.value else {
        return problems.error(&cron.origin, "cron has to be a list of tasks");
    };
    for (index, task) in tasks.iter().enumerate() {
        let name = format!("task-{}", index + 1);
        let path = ["cron", name.as_str()];
        warn_unused(task, &["command", "schedule", "concurrency_policy"], problems);
        root.set(&path, Node::empty_map(&task.origin));
        copy_keys(task, root, &path, &[("command", "command"), ("schedule", "schedule")]);
        copy_keys(task, root, &path, &[("concurrency_policy", "concurrency")]);
    }
}
