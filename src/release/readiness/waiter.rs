//! Waits until the applied objects are ready, driven by watches. The time alone changes a verdict within [`TICK`].

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::SelectAll;
use kube::api::DynamicObject;
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::super::discovery::{ApiDiscovery, DiscoveryError};
use super::super::error::StepError;
use super::super::object_id::ObjectId;
use super::super::rollout_limits::RolloutLimits;
use super::deadline::RolloutDeadline;
use super::diagnostics::PodDiagnostics;
use super::intervention::describe_replacement;
use super::kind::{AppliedObject, TrackedKind};
use super::pod_problem::Severity;
use super::port_origin::PortOrigin;
use super::rollout::{ObjectRollout, RolloutStatus, WatchEvent};
use super::stuck_pod::delete_stuck_pod;
use super::volume_binding::waits_for_first_consumer;
use super::watches::watch_object;
use crate::domain::{Manifest, Progress, Target};

/// How many events are buffered while objects are still being applied.
const EVENT_QUEUE: usize = 256;
/// How long a failed object waits for the watch of its pods to deliver the reason.
const POD_PROBLEM_GRACE: Duration = Duration::from_secs(3);
/// How often a rollout is looked at without an event.
const TICK: Duration = Duration::from_secs(1);
/// How often the events about an object that lacks pods are read.
const EVENTS_INTERVAL: Duration = Duration::from_secs(5);

/// Watches the objects of a release and their pods.
pub(in crate::release) struct ReadinessWaiter {
    client: Client,
    target: Target,
    diagnostics: PodDiagnostics,
    tracked: Vec<TrackedObject>,
    /// Events with the index of their object in `tracked`.
    events: mpsc::Receiver<(usize, WatchEvent)>,
    _watcher: AbortOnDropHandle<()>,
}

struct TrackedObject {
    id: ObjectId,
    api: Api<DynamicObject>,
    rollout: ObjectRollout,
    /// The end of [`POD_PROBLEM_GRACE`], once the object has failed.
    grace_until: Option<Instant>,
    /// When the events about the object are read next, if it lacks pods.
    next_events: Option<Instant>,
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
        port_origin: Option<PortOrigin>,
    ) -> Result<Self, DiscoveryError> {
        let (mut tracked, mut streams) = (Vec::new(), SelectAll::new());
        for manifest in manifests {
            let id = ObjectId::from_manifest(manifest);
            let Some(kind) = TrackedKind::from_id(&id) else { continue };
            let api = discovery.resolve(manifest).await?.api;
            let index = tracked.len();
            streams.push(watch_object(client, target, api.clone(), kind, manifest).map(move |event| (index, event)));
            let rollout = ObjectRollout::new(kind, id.to_string());
            tracked.push(TrackedObject { id, api, rollout, grace_until: None, next_events: None });
        }
        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        let watcher = tokio::spawn(async move {
            while let Some(event) = streams.next().await {
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        });
        let diagnostics = PodDiagnostics::new(client, target, port_origin);
        let (client, target, watcher) = (client.clone(), target.clone(), AbortOnDropHandle::new(watcher));
        Ok(Self { client, target, diagnostics, tracked, events, _watcher: watcher })
    }

    /// Waits until all tracked objects of `applied` are ready.
    ///
    /// # Errors
    /// [`StepError::RolloutFailed`] if an object fails, or is not ready within the limits.
    /// [`StepError::TemplateReplaced`] if another client changes an object's pods.
    pub(in crate::release) async fn wait_until_ready(
        mut self,
        applied: &[DynamicObject],
        limits: RolloutLimits,
        progress: &Progress,
    ) -> Result<(), StepError> {
        let mut deadline = RolloutDeadline::new(limits, Instant::now());
        for tracked in &mut self.tracked {
            tracked.rollout.set_applied(find_applied(&self.client, applied, &tracked.id).await);
        }
        loop {
            self.report_progress(progress).await;
            self.replace_stuck_pods(progress).await;
            if self.is_ready(progress).await? {
                return Ok(());
            }
            self.inspect(progress).await;
            let now = Instant::now();
            let settled = self.tracked.iter().filter_map(|tracked| tracked.rollout.settles_at()).filter(|at| *at > now);
            let wake_at = settled.chain([deadline.at(), now + TICK]).min().unwrap_or(now);
            match tokio::time::timeout_at(wake_at, self.events.recv()).await {
                Ok(Some((index, event))) => {
                    if self.apply_event(index, event) {
                        deadline.note_progress(Instant::now());
                    }
                }
                Err(_) if Instant::now() < deadline.at() => {}
                Ok(None) | Err(_) => return Err(self.timeout_error(&deadline, progress).await),
            }
        }
    }

    fn apply_event(&mut self, index: usize, event: WatchEvent) -> bool {
        let tracked = self.tracked.get_mut(index);
        tracked.is_some_and(|tracked| tracked.rollout.apply_event(event, Instant::now()))
    }

    async fn report_progress(&mut self, progress: &Progress) {
        for tracked in &mut self.tracked {
            if let Some(problem) = tracked.rollout.take_new_problem(Instant::now()) {
                progress.log(self.diagnostics.describe(&problem, progress).await).await;
            }
            for line in tracked.rollout.take_new_messages() {
                progress.log(line).await;
            }
        }
    }

    async fn replace_stuck_pods(&mut self, progress: &Progress) {
        for tracked in &mut self.tracked {
            for pod in tracked.rollout.take_stuck_pods(Instant::now()) {
                delete_stuck_pod(&self.client, &self.target, &pod, progress).await;
            }
        }
    }

    /// Reads details of a rollout that takes long.
    async fn inspect(&mut self, progress: &Progress) {
        for TrackedObject { id, rollout, next_events, .. } in &mut self.tracked {
            let now = Instant::now();
            if let Some(problem) = rollout.take_overdue_container(now) {
                progress.log(self.diagnostics.describe(&problem, progress).await).await;
            }
            if !rollout.lacks_pods() {
                *next_events = None;
            } else if *next_events.get_or_insert(now + EVENTS_INTERVAL) <= now {
                *next_events = Some(now + EVENTS_INTERVAL);
                if let Some((message, count)) = self.diagnostics.controller_warning(id).await {
                    rollout.note_creation_warning(&message, count);
                }
            }
        }
    }

    async fn is_ready(&mut self, progress: &Progress) -> Result<bool, StepError> {
        let mut ready = true;
        for TrackedObject { id, api, rollout, grace_until, .. } in &mut self.tracked {
            let now = Instant::now();
            match rollout.status(now) {
                RolloutStatus::Ready => {}
                RolloutStatus::InProgress => ready = false,
                RolloutStatus::Failed(reason) => {
                    return Err(StepError::RolloutFailed(format!("{id}: {reason}")));
                }
                RolloutStatus::TemplateReplaced => {
                    let reason = describe_replacement(api, &id.name).await;
                    return Err(StepError::TemplateReplaced(format!("{id}: {reason}")));
                }
                // The watches of an object and of its pods are not ordered: the pod's failure may arrive later.
                RolloutStatus::FailedByPod(problem)
                    if problem.severity == Severity::Starting
                        && *grace_until.get_or_insert(now + POD_PROBLEM_GRACE) > now =>
                {
                    ready = false;
                }
                RolloutStatus::FailedByPod(problem) => {
                    let reason = self.diagnostics.describe(&problem, progress).await;
                    return Err(StepError::RolloutFailed(reason));
                }
            }
        }
        Ok(ready)
    }

    /// Explains the first object that is not ready.
    async fn timeout_error(&mut self, deadline: &RolloutDeadline, progress: &Progress) -> StepError {
        let now = Instant::now();
        let unready = self.tracked.iter().find(|tracked| tracked.rollout.status(now) != RolloutStatus::Ready);
        let Some(TrackedObject { id, rollout, .. }) = unready else {
            return StepError::RolloutFailed("the watches of the rollout ended".to_owned());
        };
        let known = rollout.hold().or_else(|| rollout.replica_failure());
        let reason = match (known, rollout.worst_pod_problem(now)) {
            (Some(known), _) => known,
            (None, Some(problem)) => self.diagnostics.describe(&problem, progress).await,
            (None, None) => match self.diagnostics.controller_warning(id).await {
                Some((warning, _)) => warning,
                None => {
                    rollout.status_message().unwrap_or_else(|| "not all of its pods were created and ready".to_owned())
                }
            },
        };
        StepError::RolloutFailed(format!("{id} was not ready {}: {reason}", deadline.describe()))
    }
}

async fn find_applied(client: &Client, applied: &[DynamicObject], id: &ObjectId) -> AppliedObject {
    let Some(object) = applied.iter().find(|object| ObjectId::from_live(object) == Some(id.clone())) else {
        return AppliedObject::default();
    };
    AppliedObject {
        uid: object.uid().unwrap_or_default(),
        generation: object.metadata.generation.unwrap_or_default(),
        template: object.data.pointer("/spec/template").cloned(),
        waits_for_first_consumer: waits_for_first_consumer(client, object).await,
    }
}
