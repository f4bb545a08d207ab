//! The rollout of one object, followed through watch events. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event};

use super::kind::{AppliedObject, ObjectReadiness, ObjectStatus, TrackedKind};
use super::pod_problem::{DiagnosticSource, PodProblem, Severity, find_problem, is_ready, unready_message};
use super::watch_store::WatchStore;
use crate::k8s::WatchCache;

/// The annotation of a Deployment and its ReplicaSets with the revision of the template.
const REVISION_ANNOTATION: &str = "deployment.kubernetes.io/revision";

/// An event or an interruption of a watch.
#[derive(Debug)]
pub(super) enum WatchEvent {
    /// About the tracked object.
    Object(watcher::Result<Event<DynamicObject>>),
    /// About a ReplicaSet that the object's selector matches.
    ReplicaSet(watcher::Result<Event<ReplicaSet>>),
    /// About a pod that the object's selector matches.
    Pod(watcher::Result<Event<Pod>>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RolloutStatus {
    InProgress,
    Ready,
    /// The rollout will not succeed, because of this pod.
    FailedByPod(PodProblem),
    /// The rollout will not succeed: its controller reports a failure, or the object was deleted.
    Failed(String),
}

/// The state of a rollout.
#[derive(Debug)]
pub(super) struct ObjectRollout {
    kind: TrackedKind,
    /// The object's name in messages: `deployment/web`.
    subject: String,
    applied: AppliedObject,
    objects: WatchCache<WatchStore<DynamicObject>>,
    replica_sets: WatchCache<WatchStore<ReplicaSet>>,
    pods: WatchCache<WatchStore<Pod>>,
    /// The messages that were returned already.
    reported: BTreeSet<String>,
    reported_count: Option<(usize, i32)>,
    /// The UIDs of the unreplaceable pods that were returned already.
    reported_unreplaceable: BTreeSet<String>,
}

impl ObjectRollout {
    /// Ignores the object until [`ObjectRollout::set_applied`].
    pub(super) fn new(kind: TrackedKind, subject: String) -> Self {
        Self {
            kind,
            subject,
            applied: AppliedObject::default(),
            objects: WatchCache::default(),
            replica_sets: WatchCache::default(),
            pods: WatchCache::default(),
            reported: BTreeSet::new(),
            reported_count: None,
            reported_unreplaceable: BTreeSet::new(),
        }
    }

    pub(super) fn set_applied(&mut self, applied: AppliedObject) {
        self.applied = applied;
    }

    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    pub(super) fn apply_event(&mut self, event: WatchEvent) {
        match event {
            WatchEvent::Object(event) => self.objects.apply(event),
            WatchEvent::ReplicaSet(event) => self.replica_sets.apply(event),
            WatchEvent::Pod(event) => self.pods.apply(event),
        };
    }

    pub(super) fn status(&self) -> RolloutStatus {
        let Some(object) = self.objects.view().get(&self.applied.uid) else {
            let last = self.objects.view().get_deleted(&self.applied.uid);
            return match last.map(|last| self.read_status(last).readiness) {
                None => RolloutStatus::InProgress,
                // Kubernetes deletes a finished Job after its `ttlSecondsAfterFinished`.
                Some(ObjectReadiness::Ready) if self.kind == TrackedKind::Job => RolloutStatus::Ready,
                Some(_) => RolloutStatus::Failed("someone else deleted the object".into()),
            };
        };
        match self.read_status(object).readiness {
            ObjectReadiness::Ready => RolloutStatus::Ready,
            ObjectReadiness::Unobserved => RolloutStatus::InProgress,
            ObjectReadiness::Progressing => match self.worst_problem_of(object) {
                _ if self.has_replaced_pods(object) => RolloutStatus::Ready,
                Some(worst) if self.is_fatal(&worst) => RolloutStatus::FailedByPod(worst),
                _ => RolloutStatus::InProgress,
            },
            ObjectReadiness::Failed(reason) => {
                self.worst_problem_of(object).map_or(RolloutStatus::Failed(reason), RolloutStatus::FailedByPod)
            }
        }
    }

    /// The worst problem among the pods of the new template.
    pub(super) fn worst_pod_problem(&self) -> Option<PodProblem> {
        self.worst_problem_of(self.observed_object()?.0)
    }

    /// Why the controller cannot create more pods, such as an exceeded quota.
    pub(super) fn replica_failure(&self) -> Option<String> {
        let (_, status) = self.observed_object()?;
        if status.readiness == ObjectReadiness::Progressing { status.replica_failure } else { None }
    }

    /// The message of an unready pod or of the object, for a timeout that no [`ObjectRollout::worst_pod_problem`] explains.
    pub(super) fn status_message(&self) -> Option<String> {
        let object = self.objects.view().get(&self.applied.uid)?;
        let pod = self.observed_object().and_then(|_| self.new_pods(object).find_map(unready_message));
        pod.or_else(|| self.read_status(object).message)
    }

    /// The messages for the pusher that were not returned before.
    pub(super) fn take_new_messages(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let problem = self.worst_pod_problem().filter(|problem| problem.severity == Severity::Recoverable);
        lines.extend(problem.map(|problem| format!("{} {}", problem.subject(), problem.text)));
        lines.extend(self.replica_failure().map(|failure| format!("{}: {failure}", self.subject)));
        lines.extend(self.progress_message().map(|message| format!("waiting for {}: {message}", self.subject)));
        lines.retain(|line| self.reported.insert(line.clone()));
        if let Some((ready, desired)) = self.count_ready_pods()
            && self.reported_count.replace((ready, desired)) != Some((ready, desired))
        {
            lines.push(format!("{} {ready} of {desired} ready", self.subject));
        }
        lines
    }

    /// The pods of older templates that will never become ready, while the controller waits for them before it replaces
    /// them. Each pod is returned once.
    pub(super) fn take_unreplaceable_pods(&mut self) -> Vec<Pod> {
        let Some((object, _)) = self.observed_object() else { return Vec::new() };
        let label = self.kind.revision_label(object).filter(|_| self.kind.can_be_blocked_by_old_pods(object));
        let Some((label, newest)) = label else { return Vec::new() };
        let is_old = |pod: &&Pod| pod.labels().get(label) != Some(&newest);
        let is_broken = |pod: &&Pod| find_problem(pod).is_some_and(|problem| problem.severity == Severity::Fatal);
        let owned = self.pods.view().iter().filter(|pod| is_owned_by(*pod, &self.applied.uid));
        let pods: Vec<Pod> = owned.filter(is_old).filter(is_broken).cloned().collect();
        pods.into_iter().filter(|pod| pod.uid().is_some_and(|uid| self.reported_unreplaceable.insert(uid))).collect()
    }

    fn read_status(&self, object: &DynamicObject) -> ObjectStatus {
        self.kind.read_status(object, &self.applied)
    }

    /// A Job restarts a crashed container, up to its own limit.
    fn is_fatal(&self, problem: &PodProblem) -> bool {
        let crashed = matches!(
            problem.source,
            DiagnosticSource::PreviousLog | DiagnosticSource::PreviousLogAndProbeEvents { .. }
        );
        problem.severity == Severity::Fatal && (self.kind.is_crash_fatal() || !crashed)
    }

    /// The object, once its controller has observed the applied generation. Until then its pods have the template
    /// before.
    fn observed_object(&self) -> Option<(&DynamicObject, ObjectStatus)> {
        let object = self.objects.view().get(&self.applied.uid)?;
        let status = self.read_status(object);
        (status.readiness != ObjectReadiness::Unobserved).then_some((object, status))
    }

    /// The message of an object that is in progress and whose pods are not counted.
    fn progress_message(&self) -> Option<String> {
        let (_, status) = self.observed_object()?;
        let waits = status.readiness == ObjectReadiness::Progressing && status.desired_pods.is_none();
        if waits { status.message } else { None }
    }

    /// The number of ready pods of the new template, and the desired number.
    fn count_ready_pods(&self) -> Option<(usize, i32)> {
        let (object, status) = self.observed_object()?;
        let desired = status.desired_pods?;
        // The watch of the pods may lag behind that of the object.
        if status.readiness == ObjectReadiness::Ready {
            return Some((usize::try_from(desired).unwrap_or_default(), desired));
        }
        self.pod_owner_uid(object)?;
        Some((self.new_pods(object).filter(|pod| is_ready(pod)).count(), desired))
    }

    /// Whether the active pods are exactly the desired number, all ready and all of the new template. Every other pod
    /// that the selector matches counts as an old one.
    fn has_replaced_pods(&self, object: &DynamicObject) -> bool {
        let (desired, owner) = (self.read_status(object).desired_pods, self.pod_owner_uid(object));
        let (Some(desired), Some(owner), true) = (desired, owner, self.kind.is_ready_with_its_pods(object)) else {
            return false;
        };
        let active: Vec<_> = self.pods.view().iter().filter(|pod| is_active(pod)).collect();
        i32::try_from(active.len()) == Ok(desired)
            && active.iter().all(|pod| is_owned_by(*pod, &owner) && is_ready(pod))
    }

    fn worst_problem_of(&self, object: &DynamicObject) -> Option<PodProblem> {
        self.new_pods(object).filter_map(find_problem).max_by_key(|problem| problem.severity)
    }

    /// The pods of the new template.
    fn new_pods(&self, object: &DynamicObject) -> impl Iterator<Item = &Pod> {
        let (owner, label) = (self.pod_owner_uid(object), self.kind.revision_label(object));
        self.pods.view().iter().filter(move |pod| {
            let is_newest = label.as_ref().is_none_or(|(name, value)| pod.labels().get(*name) == Some(value));
            owner.as_deref().is_some_and(|owner| is_owned_by(*pod, owner)) && is_newest
        })
    }

    /// The UID of the owner of the new template's pods; `None` for a Deployment whose new ReplicaSet is not seen yet.
    fn pod_owner_uid(&self, object: &DynamicObject) -> Option<String> {
        if self.kind != TrackedKind::Deployment {
            return object.uid();
        }
        let revision = object.annotations().get(REVISION_ANNOTATION)?;
        let mut owned = self.replica_sets.view().iter().filter(|set| is_owned_by(*set, &self.applied.uid));
        owned.find(|set| set.annotations().get(REVISION_ANNOTATION) == Some(revision))?.uid()
    }
}

/// Whether the ReplicaSet still counts the pod.
fn is_active(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Succeeded" | "Failed"))
}

fn is_owned_by(object: &impl ResourceExt, owner: &str) -> bool {
    object.owner_references().iter().any(|reference| reference.uid == owner)
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
