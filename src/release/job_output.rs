//! The output of a Job while it runs.

use futures_util::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DynamicObject, LogParams};
use kube::runtime::watcher::{Config, Event};
use kube::{Api, Client, ResourceExt};

use crate::domain::progress::strip_control;
use crate::domain::{Progress, Target};
use crate::k8s::{ApiError, watch_events, with_retries};

/// The API server ends the output after so many bytes: a Job may print more than a deploy's log and a terminal can hold.
const MAX_OUTPUT: i64 = 1 << 20;
/// The longest line that is shown, in characters.
const MAX_LINE: usize = 2000;

/// Prints the output of the Job's pod, from its start to its end. Output that cannot be read is left out.
pub(super) async fn follow_job_output(client: Client, target: Target, job: DynamicObject, progress: Progress) {
    let pods = Api::<Pod>::namespaced(client, target.namespace.as_str());
    if let Err(error) = print_output(&pods, &job, &progress).await {
        let job = job.name_any();
        tracing::debug!(%target, job, %error, "the output of a Job cannot be read");
        progress.log(format!("the output of job/{job} cannot be shown: {error}")).await;
    }
}

async fn print_output(pods: &Api<Pod>, job: &DynamicObject, progress: &Progress) -> Result<(), ApiError> {
    let Some(pod) = wait_for_started_pod(pods, job).await else { return Ok(()) };
    let params = LogParams { follow: true, limit_bytes: Some(MAX_OUTPUT), ..LogParams::default() };
    let log = with_retries("reading the output of a Job", || pods.log_stream(&pod, &params)).await?;
    let (mut lines, mut bytes) = (log.lines(), 0);
    while let Ok(Some(line)) = lines.try_next().await {
        bytes += line.len() + 1;
        let line: String = strip_control(&line).chars().take(MAX_LINE).collect();
        progress.log(line).await;
    }
    if bytes >= usize::try_from(MAX_OUTPUT).unwrap_or_default() {
        let job = job.name_any();
        progress.log(format!("the output of job/{job} is longer: kubectl logs job/{job} shows all of it")).await;
    }
    Ok(())
}

/// The Job's pod, once its container has started. The watch goes on after an interruption.
async fn wait_for_started_pod(pods: &Api<Pod>, job: &DynamicObject) -> Option<String> {
    let config = Config::default().labels(&format!("job-name={}", job.name_any()));
    let mut events = watch_events(pods.clone(), config).boxed();
    let uid = job.uid();
    let is_own = |pod: &Pod| pod.owner_references().iter().any(|owner| Some(&owner.uid) == uid.as_ref());
    while let Some(event) = events.next().await {
        if let Ok(Event::Apply(pod) | Event::InitApply(pod)) = event
            && is_own(&pod)
            && has_started(&pod)
        {
            return Some(pod.name_any());
        }
    }
    None
}

fn has_started(pod: &Pod) -> bool {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let states = statuses.filter_map(|status| status.state.as_ref());
    states.into_iter().any(|state| state.running.is_some() || state.terminated.is_some())
}
