//! The variables of the templates.

mod environment;
mod job;
mod probes;
mod process;

use serde::Serialize;

use super::error::ChartError;
use super::values::Values;
use crate::domain::app_spec::ProcessName;
use job::{CronJob, ReleaseJob};
use process::ProcessContext;

#[derive(Serialize)]
pub(super) struct TemplateContext<'a> {
    app: &'a str,
    image: &'a str,
    version: Option<&'a str>,
    version_label: Option<String>,
    commit: Option<&'a str>,
    pusher: Option<&'a str>,
    /// Of the process `web`, if there is one.
    port: Option<u16>,
    non_root: bool,
    pull_secret: Option<&'a str>,
    progress_deadline_seconds: u64,
    has_sleep_action: bool,
    processes: Vec<ProcessContext<'a>>,
    /// Objects all of whose keys become variables.
    env_from: Vec<serde_json::Value>,
    release_jobs: Vec<ReleaseJob<'a>>,
    cron_jobs: Vec<CronJob<'a>>,
}

impl<'a> TemplateContext<'a> {
    pub fn new(values: &'a Values) -> Result<Self, ChartError> {
        let processes = values.spec.processes.iter();
        let processes = processes.map(|(name, process)| ProcessContext::new(values, name, process));
        let processes: Vec<_> = processes.collect::<Result<_, _>>()?;
        Ok(Self {
            app: values.app.as_str(),
            image: values.image.as_str(),
            version: values.version.as_deref(),
            version_label: values.version_label(),
            commit: values.commit.as_ref().map(|commit| commit.as_str()),
            pusher: values.pusher.as_ref().map(|pusher| pusher.as_str()),
            port: values.spec.web().map(|web| values.port_of(&ProcessName::web(), web)).unwrap_or_default(),
            non_root: values.is_non_root(),
            pull_secret: values.pull_secret.as_deref(),
            progress_deadline_seconds: values.times.progress_deadline_seconds(longest_settle(&processes)),
            has_sleep_action: values.kube_version.has_sleep_action(),
            processes,
            env_from: environment::env_from(values),
            release_jobs: job::release_jobs(values),
            cron_jobs: job::cron_jobs(values)?,
        })
    }
}

fn longest_settle(processes: &[ProcessContext<'_>]) -> u64 {
    processes.iter().map(ProcessContext::settle_seconds).max().unwrap_or_default()
}
