//! Runs one Job of the release phase.

use std::time::Duration;

use kube::api::DynamicObject;
use tokio_util::task::AbortOnDropHandle;

use super::apply;
use super::context::ReleaseContext;
use super::discovery::ApiDiscovery;
use super::error::StepError;
use super::job_output::follow_job_output;
use super::object_id::ObjectId;
use super::readiness::ReadinessWaiter;
use crate::domain::{Manifest, Progress};

/// How long the end of the output may follow the end of the Job.
const OUTPUT_GRACE: Duration = Duration::from_secs(3);

/// Runs a Job, and shows its output while it runs. Returns the Job as it was applied.
pub(super) async fn run(
    context: &ReleaseContext<'_>,
    discovery: &mut ApiDiscovery,
    manifest: &Manifest,
) -> Result<DynamicObject, StepError> {
    let ReleaseContext { client, lock, progress, limits, port_origin, .. } = *context;
    let id = ObjectId::from_manifest(manifest);
    let waiter = ReadinessWaiter::start(client, lock.target(), discovery, &[manifest], port_origin).await?;
    progress.start_stage(format!("Running {id}")).await;
    let job = apply::apply(context, discovery, manifest).await?;
    let output = follow_job_output(client.clone(), lock.target().clone(), job.clone(), progress.clone());
    let output = AbortOnDropHandle::new(tokio::spawn(output));
    let applied = std::slice::from_ref(&job);
    // The output shows how the Job does; a Job that ends is none of the problems that the waiter reports.
    let (quiet, _) = Progress::channel();
    let completed = lock.guard(Box::pin(waiter.wait_until_ready(applied, limits, &quiet))).await?;
    // Without its last lines, the deploy goes on all the same.
    let _ = tokio::time::timeout(OUTPUT_GRACE, output).await;
    completed.map(|()| job)
}
