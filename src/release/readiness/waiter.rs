//! Waits until the applied objects are ready, driven by watches instead of polling.

use std::time::Duration;

use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{StreamExt, stream};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, DynamicObject, Preconditions};
use kube::runtime::watcher::Config;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::super::discovery::{ApiDiscovery, DiscoveryError};
use super::super::error::StepError;
use super::super::object_id::ObjectId;
use super::diagnostics::PodDiagnostics;
use super::kind::{AppliedObject, TrackedKind};
use super::pod_problem::Severity;
use super::rollout::{ObjectRollout, RolloutStatus, WatchEvent};
use super::volume_binding::waits_for_first_consumer;
use crate::domain::{Manifest, Progress, Target};
use crate::k8s::{watch_events, with_timeout};

/// How many events are buffered while objects are still being applied.
const EVENT_QUEUE: usize = 256;
/// How long a failed object waits for the watch of its pods to deliver the reason.
const POD_PROBLEM_GRACE: Duration = Duration::from_secs(3);
const DELETE_TIMEOUT: Duration = Duration::from_secs(5);

/// Watches the objects of a release and their pods.
pub(in crate::release) struct ReadinessWaiter {
    client: Client,
    target: Target,
    tracked: Vec<TrackedObject>,
    /// Events with the index of their object in `tracked`.
    events: mpsc::Receiver<(usize, WatchEvent)>,
    /// The end of [`POD_PROBLEM_GRACE`], once an object has failed.
    grace_until: Option<Instant>,
    _watcher: AbortOnDropHandle<()>,
}

struct TrackedObject {
    id: ObjectId,
    rollout: ObjectRollout,
}

impl ReadinessWaiter {
    /// Opens the watches; call it before the objects are applied.
    ///
    /// # Errors
    /// [`DiscoveryError::UnknownKind`] and [`DiscoveryError::ClusterScoped`] for a kind that cannot be deployed,
    /// [`DiscoveryError::Api`] if the discovery of a kind fails.
    pub(in crate::release) async fn start(
        client: &Client,
        target: &Target,
        discovery: &mut ApiDiscovery,
        manifests: &[&Manifest],
    ) -> Result<Self, DiscoveryError> {
        let (mut tracked, mut streams) = (Vec::new(), SelectAll::new());
        for manifest in manifests {
            let id = ObjectId::from_manifest(manifest);
            let Some(kind) = TrackedKind::from_id(&id) else { continue };
            let api = discovery.resolve(manifest).await?.api;
            let index = tracked.len();
            streams.push(watch_object(client, target, api, kind, manifest).map(move |event| (index, event)));
            tracked.push(TrackedObject { rollout: ObjectRollout::new(kind, id.to_string()), id });
        }
        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        let watcher = tokio::spawn(async move {
            while let Some(event) = streams.next().await {
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        });
        let (client, target) = (client.clone(), target.clone());
        Ok(Self { client, target, tracked, events, grace_until: None, _watcher: AbortOnDropHandle::new(watcher) })
    }

    /// Waits until all tracked objects of `applied` are ready.
    ///
    /// # Errors
    /// [`StepError::RolloutFailed`] if an object fails, or is not ready after `timeout`.
    pub(in crate::release) async fn wait_until_ready(
        mut self,
        applied: &[DynamicObject],
        timeout: Duration,
        progress: &Progress,
    ) -> Result<(), StepError> {
        let deadline = Instant::now() + timeout;
        for tracked in &mut self.tracked {
            tracked.rollout.set_applied(find_applied(&self.client, applied, &tracked.id).await);
        }
        loop {
            self.report_progress(progress).await;
            self.delete_unreplaceable_pods(progress).await;
            if self.is_ready(progress).await? {
                return Ok(());
            }
            let grace_until = self.grace_until.filter(|until| *until > Instant::now());
            let wake_at = grace_until.map_or(deadline, |until| until.min(deadline));
            match tokio::time::timeout_at(wake_at, self.events.recv()).await {
                Ok(Some((index, event))) => self.apply_event(index, event),
                Err(_) if wake_at < deadline => {}
                Ok(None) | Err(_) => return Err(self.timeout_error(timeout, progress).await),
            }
        }
    }

    fn apply_event(&mut self, index: usize, event: WatchEvent) {
        if let Some(tracked) = self.tracked.get_mut(index) {
            tracked.rollout.apply_event(event);
        }
    }

    async fn report_progress(&mut self, progress: &Progress) {
        for tracked in &mut self.tracked {
            for line in tracked.rollout.take_new_messages() {
                progress.log(line).await;
            }
        }
    }

    async fn delete_unreplaceable_pods(&mut self, progress: &Progress) {
        for tracked in &mut self.tracked {
            for pod in tracked.rollout.take_unreplaceable_pods() {
                delete_pod(&self.client, &self.target, &pod, progress).await;
            }
        }
    }

    async fn is_ready(&mut self, progress: &Progress) -> Result<bool, StepError> {
        let mut ready = true;
        let grace_until = self.grace_until;
        for TrackedObject { rollout, .. } in &self.tracked {
            match rollout.status() {
                RolloutStatus::Ready => {}
                RolloutStatus::InProgress => ready = false,
                RolloutStatus::Failed(reason) => {
                    return Err(StepError::RolloutFailed(format!("{}: {reason}", rollout.subject())));
                }
                // The watches of an object and of its pods are not ordered: the pod's failure may arrive later.
                RolloutStatus::FailedByPod(problem)
                    if problem.severity == Severity::Starting
                        && grace_until.is_none_or(|until| until > Instant::now()) =>
                {
                    self.grace_until = grace_until.or_else(|| Some(Instant::now() + POD_PROBLEM_GRACE));
                    ready = false;
                }
                RolloutStatus::FailedByPod(problem) => {
                    let reason = self.diagnostics().describe(&problem, progress).await;
                    return Err(StepError::RolloutFailed(reason));
                }
            }
        }
        Ok(ready)
    }

    /// Explains the first object that is not ready.
    async fn timeout_error(&self, timeout: Duration, progress: &Progress) -> StepError {
        let unready = self.tracked.iter().find(|tracked| tracked.rollout.status() != RolloutStatus::Ready);
        let Some(TrackedObject { id, rollout }) = unready else {
            return StepError::RolloutFailed("the watches of the rollout ended".to_owned());
        };
        let reason = match (rollout.replica_failure(), rollout.worst_pod_problem()) {
            (Some(failure), _) => failure,
            (None, Some(problem)) => self.diagnostics().describe(&problem, progress).await,
            (None, None) => match self.diagnostics().warning_event(id).await {
                Some(warning) => warning,
                None => {
                    rollout.status_message().unwrap_or_else(|| "not all of its pods were created and ready".to_owned())
                }
            },
        };
        StepError::RolloutFailed(format!("{id} was not ready within {} s: {reason}", timeout.as_secs()))
    }

    fn diagnostics(&self) -> PodDiagnostics<'_> {
        PodDiagnostics { client: &self.client, target: &self.target }
    }
}

/// The events of an object and, for a kind with pods, of the ReplicaSets and pods that its selector matches. An interrupted
/// watch does not fail the rollout; the deadline still ends the wait.
fn watch_object(
    client: &Client,
    target: &Target,
    objects: Api<DynamicObject>,
    kind: TrackedKind,
    manifest: &Manifest,
) -> SelectAll<BoxStream<'static, WatchEvent>> {
    let by_name = Config::default().fields(&format!("metadata.name={}", manifest.name()));
    let mut events = stream::select_all([watch_events(objects, by_name).map(WatchEvent::Object).boxed()]);
    let by_labels = Config::default().labels(&pod_selector(kind, manifest));
    if kind == TrackedKind::Deployment {
        let sets = Api::namespaced(client.clone(), target.namespace.as_str());
        events.push(watch_events::<ReplicaSet>(sets, by_labels.clone()).map(WatchEvent::ReplicaSet).boxed());
    }
    if kind.has_pods() {
        let pods = Api::namespaced(client.clone(), target.namespace.as_str());
        events.push(watch_events::<Pod>(pods, by_labels).map(WatchEvent::Pod).boxed());
    }
    events
}

/// The label selector of an object's pods. The API server generates the selector of a Job; the label `job-name` is
/// fixed.
fn pod_selector(kind: TrackedKind, manifest: &Manifest) -> String {
    if kind == TrackedKind::Job {
        return format!("job-name={}", manifest.name());
    }
    let labels = manifest.object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let pairs = labels.into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    pairs.collect::<Vec<_>>().join(",")
}

async fn find_applied(client: &Client, applied: &[DynamicObject], id: &ObjectId) -> AppliedObject {
    let Some(object) = applied.iter().find(|object| ObjectId::from_live(object) == Some(id.clone())) else {
        return AppliedObject::default();
    };
    AppliedObject {
        uid: object.uid().unwrap_or_default(),
        generation: object.metadata.generation.unwrap_or_default(),
        waits_for_first_consumer: waits_for_first_consumer(client, object).await,
    }
}

/// Deletes this pod, and not a new pod of the same name.
async fn delete_pod(client: &Client, target: &Target, pod: &Pod, progress: &Progress) {
    let (pods, name): (Api<Pod>, _) = (Api::namespaced(client.clone(), target.namespace.as_str()), pod.name_any());
    let same_uid = Preconditions { uid: pod.uid(), resource_version: None };
    let params = DeleteParams::default().preconditions(same_uid);
    match with_timeout("deleting a pod", DELETE_TIMEOUT, pods.delete(&name, &params)).await {
        Ok(_) => {
            let reason = "the pod has an older template and never became ready";
            progress.log(format!("pod/{name} removed: {reason}")).await;
        }
        // The controller may have replaced or deleted the pod already; if not, the rollout ends at its deadline.
        Err(error) => {
            tracing::warn!(%error, app = %target, pod = name, "cannot delete a pod that blocks the rollout of its StatefulSet");
        }
    }
}
