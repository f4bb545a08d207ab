//! The variables of the templates.

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
    release_jobs: Vec<ReleaseJob<'a>>,
    cron_jobs: Vec<CronJob<'a>>,
}

#[derive(Serialize)]
struct EnvVar<'a> {
    name: &'a str,
    value: String,
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
            release_jobs: job::release_jobs(values),
            cron_jobs: job::cron_jobs(values)?,
        })
    }
}

fn longest_settle(processes: &[ProcessContext<'_>]) -> u64 {
    processes.iter().map(ProcessContext::settle_seconds).max().unwrap_or_default()
}

/// The environment of a container: the variables that slipway sets, then the app's, then those of the process.
fn environment<'a>(values: &'a Values, process: &str, port: Option<u16>, own: EnvOf<'a>) -> Vec<EnvVar<'a>> {
    let set = |name, value: Option<String>| value.map(|value| EnvVar { name, value });
    let slipways = [
        set("PORT", port.map(|port| port.to_string())),
        set("GIT_REV", values.commit.as_ref().map(ToString::to_string)),
        set("SLIPWAY_APP", Some(values.app.to_string())),
        set("SLIPWAY_PROCESS", Some(process.to_owned())),
        set("SLIPWAY_REVISION", values.revision.map(|revision| revision.to_string())),
    ];
    let common = values.spec.env.iter().filter(|(name, _)| own.is_none_or(|own| !own.contains_key(*name)));
    let apps = common.chain(own.into_iter().flatten());
    let apps = apps.map(|(name, value)| EnvVar { name: name.as_str(), value: value.escape_for_kubernetes() });
    slipways.into_iter().flatten().chain(apps).collect()
}

type EnvOf<'a> =
    Option<&'a std::collections::BTreeMap<crate::domain::app_spec::EnvName, crate::domain::app_spec::EnvValue>>;
