//! The Jobs of the release phase, and the CronJobs.

use serde::Serialize;

use super::super::error::ChartError;
use super::super::values::Values;
use super::environment::{EnvVar, environment};
use crate::domain::app_spec::{ConcurrencyPolicy, Resources};

/// A CronJob appends eleven characters to its name, which is a label of at most 63.
/// <https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/>
const MAX_CRON_JOB_NAME: usize = 52;

/// A command that has to succeed before the pods are replaced.
#[derive(Serialize)]
pub(super) struct ReleaseJob<'a> {
    name: &'static str,
    object: String,
    arguments: Vec<String>,
    env: Vec<EnvVar<'a>>,
    resources: Resources,
}

#[derive(Serialize)]
pub(super) struct CronJob<'a> {
    name: &'a str,
    object: String,
    arguments: Vec<String>,
    schedule: &'a str,
    time_zone: Option<&'a str>,
    concurrency: ConcurrencyPolicy,
    env: Vec<EnvVar<'a>>,
    resources: Resources,
}

pub(super) fn release_jobs(values: &Values) -> Vec<ReleaseJob<'_>> {
    let commands = [("predeploy", &values.spec.predeploy), ("release", &values.spec.release)];
    let job = |(name, command): (&'static str, &Option<_>)| {
        let command: &crate::domain::app_spec::Command = command.as_ref()?;
        Some(ReleaseJob {
            name,
            object: format!("{}-{name}", values.app),
            arguments: command.to_kubernetes(),
            env: environment(values, name, None, None),
            resources: Resources::default().with_defaults(values.limited_resources),
        })
    };
    commands.into_iter().filter_map(job).collect()
}

pub(super) fn cron_jobs(values: &Values) -> Result<Vec<CronJob<'_>>, ChartError> {
    let tasks = values.spec.cron.iter();
    let job = tasks.map(|(name, task)| {
        let object = format!("{}-{name}", values.app);
        if object.len() > MAX_CRON_JOB_NAME {
            return Err(format!("the name of its CronJob, {object}, has more than {MAX_CRON_JOB_NAME} characters"));
        }
        if task.time_zone.is_some() && !values.kube_version.has_cron_time_zones() {
            let version = values.kube_version;
            return Err(format!("timeZone needs Kubernetes 1.27, and the server has {version}"));
        }
        Ok(CronJob {
            name: name.as_str(),
            object,
            arguments: task.command.to_kubernetes(),
            schedule: task.schedule.as_str(),
            time_zone: task.time_zone.as_deref(),
            concurrency: task.concurrency,
            env: environment(values, name.as_str(), None, None),
            resources: Resources::default().with_defaults(values.limited_resources),
        })
    });
    let named = job.zip(values.spec.cron.keys());
    named.map(|(job, name)| job.map_err(|reason| ChartError::InvalidValue(format!("cron.{name}: {reason}")))).collect()
}
