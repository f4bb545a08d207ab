//! The rollout of one object, followed through watch events. Pure.
//!
//! This file has the state and the verdict, `pods` the pods that belong to the new template, and `messages` the lines for
//! the pusher.

mod messages;
mod pods;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event};
use tokio::time::Instant;

use super::kind::{AppliedObject, ObjectReadiness, ObjectStatus, TrackedKind};
use super::pod_history::PodHistories;
use super::pod_problem::{PodProblem, ProblemKind, Severity};
use super::progress_mark::BestMark;
use super::refusal::Refusal;
use super::template;
use super::watch_store::WatchStore;
use crate::k8s::WatchCache;

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
    /// Another client replaced the pod template that was applied.
    TemplateReplaced,
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
    histories: PodHistories,
    best: BestMark,
    /// The API server's refusal of new pods.
    refusal: Refusal,
    /// The messages that were returned already.
    reported: BTreeSet<String>,
    /// How many ends of each container were returned already.
    reported_ends: BTreeMap<String, u32>,
    reported_count: Option<(usize, i32)>,
    /// Whether a container that is not ready for long was returned already.
    has_hinted: bool,
    /// The UIDs of the stuck pods that were returned already.
    reported_stuck: BTreeSet<String>,
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
            histories: PodHistories::default(),
            best: BestMark::default(),
            refusal: Refusal::default(),
            reported: BTreeSet::new(),
            reported_ends: BTreeMap::new(),
            reported_count: None,
            has_hinted: false,
            reported_stuck: BTreeSet::new(),
        }
    }

    /// An object with its ReplicaSets and pods as they are, without a history.
    pub(super) fn snapshot(
        kind: TrackedKind,
        subject: String,
        object: DynamicObject,
        sets: Vec<ReplicaSet>,
        pods: Vec<Pod>,
    ) -> Self {
        let mut snapshot = Self::new(kind, subject);
        snapshot.applied.uid = object.uid().unwrap_or_default();
        snapshot.applied.waits_for_first_consumer = true;
        snapshot.objects.apply(Ok(Event::Apply(object)));
        for set in sets {
            snapshot.replica_sets.apply(Ok(Event::Apply(set)));
        }
        for pod in pods {
            snapshot.pods.apply(Ok(Event::Apply(pod)));
        }
        snapshot
    }

    pub(super) fn set_applied(&mut self, applied: AppliedObject) {
        self.applied = applied;
    }

    /// Returns whether the rollout has progressed.
    pub(super) fn apply_event(&mut self, event: WatchEvent, now: Instant) -> bool {
        match event {
            WatchEvent::Object(event) => self.objects.apply(event),
            WatchEvent::ReplicaSet(event) => self.replica_sets.apply(event),
            WatchEvent::Pod(event) => {
                let is_first = !self.pods.is_synced();
                let changed = self.pods.apply(event);
                self.histories.observe(self.pods.view().iter(), is_first, now);
                changed
            }
        };
        let has_progressed = self.progress_mark().is_some_and(|mark| self.best.advance(mark));
        let may_pass = has_progressed || self.has_terminating_pods();
        self.refusal.note_condition(self.replica_failure().as_deref(), may_pass, now);
        has_progressed
    }

    pub(super) fn status(&self, now: Instant) -> RolloutStatus {
        let Some(object) = self.objects.view().get(&self.applied.uid) else { return self.status_without_object() };
        let readiness = self.read_status(object).readiness;
        if object.metadata.deletion_timestamp.is_some() && !self.is_finished_job(&readiness) {
            return RolloutStatus::Failed(describe_deletion(object));
        }
        if self.has_other_template(object) {
            return RolloutStatus::TemplateReplaced;
        }
        match readiness {
            ObjectReadiness::Ready if self.are_pods_settled(object, now) => RolloutStatus::Ready,
            ObjectReadiness::Ready => RolloutStatus::InProgress,
            // The controller of a StatefulSet does not update the status before it has created the pod.
            ObjectReadiness::Unobserved => self.refusal_or_progress(now),
            ObjectReadiness::Progressing if self.has_replaced_pods(object, now) => RolloutStatus::Ready,
            ObjectReadiness::Progressing => match self.worst_problem_of(object, now) {
                Some(worst) if self.is_fatal(&worst) => RolloutStatus::FailedByPod(worst),
                _ => self.refusal_or_progress(now),
            },
            ObjectReadiness::Failed(reason) => {
                self.worst_problem_of(object, now).map_or(RolloutStatus::Failed(reason), RolloutStatus::FailedByPod)
            }
        }
    }

    fn refusal_or_progress(&self, now: Instant) -> RolloutStatus {
        self.refusal.verdict(now).map_or(RolloutStatus::InProgress, RolloutStatus::Failed)
    }

    fn status_without_object(&self) -> RolloutStatus {
        let last = self.objects.view().get_deleted(&self.applied.uid);
        match last.map(|last| self.read_status(last).readiness) {
            None => RolloutStatus::InProgress,
            Some(readiness) if self.is_finished_job(&readiness) => RolloutStatus::Ready,
            Some(_) => RolloutStatus::Failed("someone else deleted the object".into()),
        }
    }

    /// Kubernetes deletes a finished Job after its `ttlSecondsAfterFinished`.
    fn is_finished_job(&self, readiness: &ObjectReadiness) -> bool {
        self.kind == TrackedKind::Job && *readiness == ObjectReadiness::Ready
    }

    /// The worst problem among the pods of the new template.
    pub(super) fn worst_pod_problem(&self, now: Instant) -> Option<PodProblem> {
        self.worst_problem_of(self.observed_object()?.0, now)
    }

    /// Why the controller cannot create more pods, such as an exceeded quota.
    pub(super) fn replica_failure(&self) -> Option<String> {
        let (_, status) = self.observed_object()?;
        if status.readiness == ObjectReadiness::Progressing { status.replica_failure } else { None }
    }

    /// Whether the API server may refuse the object's pods although no condition of the object says so: only events do.
    pub(super) fn lacks_pods(&self) -> bool {
        if self.kind == TrackedKind::Deployment || !self.kind.has_pods() {
            return false;
        }
        // The controller of a StatefulSet does not update the status before it has created the pod.
        let Some((object, status)) = self.observed_object() else { return true };
        let is_short = match status.desired_pods {
            Some(desired) => i32::try_from(self.new_pods(object).count()).is_ok_and(|pods| pods < desired),
            None => self.kind == TrackedKind::Job && self.new_pods(object).next().is_none(),
        };
        is_short && status.readiness == ObjectReadiness::Progressing
    }

    /// Notes a warning of the object's controller about pods that it cannot create, and how often it was given.
    pub(super) fn note_creation_warning(&mut self, message: &str, count: i32) {
        self.refusal.note_event(message, count);
    }

    fn read_status(&self, object: &DynamicObject) -> ObjectStatus {
        self.kind.read_status(object, &self.applied)
    }

    /// The generation counts every change of the specification, also of the replica count.
    fn has_other_template(&self, object: &DynamicObject) -> bool {
        let Some(applied) = &self.applied.template else { return false };
        let is_changed = object.metadata.generation.unwrap_or_default() > self.applied.generation;
        is_changed && object.data.pointer("/spec/template").is_none_or(|live| !template::includes(live, applied))
    }

    /// A Job restarts a crashed container, up to its own limit.
    fn is_fatal(&self, problem: &PodProblem) -> bool {
        problem.severity == Severity::Fatal
            && (self.kind.is_crash_fatal() || !matches!(problem.kind, ProblemKind::Crash { .. }))
    }

    /// The object, once its controller has observed the applied generation. Until then its pods have the template
    /// before.
    fn observed_object(&self) -> Option<(&DynamicObject, ObjectStatus)> {
        let object = self.objects.view().get(&self.applied.uid)?;
        let status = self.read_status(object);
        (status.readiness != ObjectReadiness::Unobserved).then_some((object, status))
    }
}

fn describe_deletion(object: &DynamicObject) -> String {
    match object.finalizers() {
        [] => "it is being deleted".to_owned(),
        finalizers => format!("it is being deleted, and waits for its finalizers: {}", finalizers.join(", ")),
    }
}

#[cfg(test)]
mod tests;
