//! Cron tasks.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::super::node::Node;
use super::super::problem::Problems;
use super::fields::Fields;
use super::{names, values};
use crate::domain::app_spec::{ConcurrencyPolicy, CronSchedule, CronTask, TaskName};

pub(super) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<BTreeMap<TaskName, CronTask>> {
    names::read_map(node, path, problems, read_task)
}

fn read_task(node: &Node, path: &str, problems: &mut Problems) -> Option<CronTask> {
    let mut fields = Fields::open(node, path, problems);
    let command = fields.read("command", values::command);
    let schedule = fields.read("schedule", read_schedule);
    let time_zone = fields.read("timeZone", read_time_zone);
    let concurrency = fields.read("concurrency", read_concurrency).unwrap_or_default();
    for (key, is_missing) in
        [("command", fields.get("command").is_none()), ("schedule", fields.get("schedule").is_none())]
    {
        if is_missing {
            fields.problems().error(&node.origin, format!("{path} has no {key}"));
        }
    }
    fields.finish();
    Some(CronTask { command: command?, schedule: schedule?, time_zone, concurrency })
}

/// Five fields, or a name such as `@daily`: what a CronJob takes. The crate would take a field of seconds, too.
fn read_schedule(node: &Node, path: &str, problems: &mut Problems) -> Option<CronSchedule> {
    let text = values::text(node, path, problems)?;
    let has_five_fields = text.starts_with('@') || text.split_whitespace().count() == 5;
    let result = match croner::Cron::from_str(&text) {
        _ if !has_five_fields => {
            Err(format!("{text:?} is no cron line: it needs five fields (minute hour day month weekday)"))
        }
        Ok(_) if !has_kubernetes_syntax(&text) => Err(format!(
            "{text:?} is no cron line of Kubernetes: use numbers (0 for Sunday), names, *, ',', '-' and '/'"
        )),
        Ok(_) => Ok(CronSchedule::new(text)),
        Err(error) => Err(format!("{text:?} is no cron line: {error}")),
    };
    values::note(result, node, path, problems)
}

/// Kubernetes reads neither 7 as Sunday nor the letters L, W and #, which other programs do.
fn has_kubernetes_syntax(line: &str) -> bool {
    let is_plain = |word: &str| {
        word.is_empty()
            || word == "*"
            || word.parse::<u32>().is_ok()
            || (word.len() == 3 && word.chars().all(|c| c.is_ascii_alphabetic()))
    };
    let words = |field: &str| field.split([',', '-', '/']).all(is_plain);
    let weekday = line.split_whitespace().nth(4).unwrap_or_default();
    let has_seven = weekday.split([',', '-']).any(|word| word.split('/').next() == Some("7"));
    line.starts_with('@') || line.split_whitespace().all(words) && !has_seven
}

fn read_time_zone(node: &Node, path: &str, problems: &mut Problems) -> Option<String> {
    let text = values::text(node, path, problems)?;
    let known = jiff::tz::TimeZone::get(&text).map(|_| text.clone());
    let result = known.map_err(|_| format!("there is no time zone {text:?}: write a name such as Europe/Berlin"));
    values::note(result, node, path, problems)
}

fn read_concurrency(node: &Node, path: &str, problems: &mut Problems) -> Option<ConcurrencyPolicy> {
    let text = values::text(node, path, problems)?;
    let policy = match text.to_lowercase().as_str() {
        "allow" => Ok(ConcurrencyPolicy::Allow),
        "forbid" => Ok(ConcurrencyPolicy::Forbid),
        "replace" => Ok(ConcurrencyPolicy::Replace),
        _ => Err(format!("{text:?} is no concurrency policy: allow, forbid or replace")),
    };
    values::note(policy, node, path, problems)
}
