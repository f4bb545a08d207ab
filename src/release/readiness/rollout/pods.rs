//! The pods of an object: which of them have the new template, and whether they are ready, settled or stuck.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DynamicObject;
use tokio::time::Instant;

use super::super::find_problem::find_problem;
use super::super::kind::{ObjectReadiness, TrackedKind};
use super::super::pod_problem::{PodProblem, Severity};
use super::super::progress_mark::ProgressMark;
use super::super::ready_condition::{is_active, is_ready};
use super::super::template::has_template;
use super::ObjectRollout;

/// The annotation of a Deployment and its ReplicaSets with the revision of the template.
pub(super) const REVISION_ANNOTATION: &str = "deployment.kubernetes.io/revision";
/// How long a pod of an older template may be unready before it counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(10);

impl ObjectRollout {
    /// The pods of older templates that are not ready, while the controller waits for them before it replaces them. Each
    /// pod is returned once.
    pub(in crate::release::readiness) fn take_stuck_pods(&mut self, now: Instant) -> Vec<Pod> {
        let Some((object, _)) = self.observed_object() else { return Vec::new() };
        let label = self.kind.revision_label(object).filter(|_| self.kind.can_be_blocked_by_old_pods(object));
        let Some((label, newest)) = label else { return Vec::new() };
        let owned = self.pods.view().iter().filter(|pod| is_owned_by(*pod, &self.applied.uid));
        let old = owned.filter(|pod| pod.labels().get(label) != Some(&newest));
        let stuck: Vec<Pod> = old.filter(|pod| self.is_stuck(pod, now)).cloned().collect();
        stuck.into_iter().filter(|pod| pod.uid().is_some_and(|uid| self.reported_stuck.insert(uid))).collect()
    }

    /// Whether the pod has a problem that it may keep, or has been unready for some time, such as by a probe that never
    /// passes.
    fn is_stuck(&self, pod: &Pod, now: Instant) -> bool {
        let history = self.histories.of(pod);
        find_problem(pod, history, now).is_some_and(|problem| {
            let unready_since = history.and_then(|history| history.unready_since());
            problem.severity > Severity::Starting || unready_since.is_some_and(|since| now >= since + STUCK_AFTER)
        })
    }

    /// How far the rollout is; `None` until the controller has observed the change.
    pub(super) fn progress_mark(&self) -> Option<ProgressMark> {
        let (object, status) = self.observed_object()?;
        let (new, all) =
            (self.new_pods(object).collect::<Vec<_>>(), self.pods.view().iter().filter(|pod| is_active(pod)));
        let started = new.iter().filter_map(|pod| self.histories.of(pod)).map(|history| history.count_started());
        Some(ProgressMark {
            new_pods: new.len(),
            started_containers: started.sum(),
            ready_pods: new.iter().filter(|pod| is_ready(pod)).count(),
            old_pods: all.count().saturating_sub(new.iter().filter(|pod| is_active(pod)).count()),
            is_ready: status.readiness == ObjectReadiness::Ready,
        })
    }

    /// The number of ready pods of the new template, and the desired number.
    pub(super) fn count_ready_pods(&self) -> Option<(usize, i32)> {
        let (object, status) = self.observed_object()?;
        let desired = status.desired_pods?;
        // The watch of the pods may lag behind that of the object.
        if status.readiness == ObjectReadiness::Ready {
            return Some((usize::try_from(desired).unwrap_or_default(), desired));
        }
        self.pod_owner_uid(object)?;
        let ready = self.new_pods(object).filter(|pod| is_active(pod) && is_ready(pod)).count();
        // After an undo, a pod of the previous revision and its replacement may be ready at once.
        Some((ready.min(usize::try_from(desired).unwrap_or_default()), desired))
    }

    /// Whether the active pods are exactly the desired number, all available and all of the new template. Every other
    /// pod that the selector matches counts as an old one.
    pub(super) fn has_replaced_pods(&self, object: &DynamicObject, now: Instant) -> bool {
        let (desired, owner) = (self.read_status(object).desired_pods, self.pod_owner_uid(object));
        let (Some(desired), Some(owner), true) = (desired, owner, self.kind.is_ready_with_its_pods(object)) else {
            return false;
        };
        let active: Vec<_> = self.pods.view().iter().filter(|pod| is_active(pod)).collect();
        let is_available = |pod: &&Pod| is_ready(pod) && self.is_settled(object, pod, now);
        i32::try_from(active.len()) == Ok(desired)
            && active.iter().all(|pod| is_owned_by(*pod, &owner) && is_available(pod))
    }

    /// Whether the pods of an object whose status is ready have been so for long enough. With `minReadySeconds`, the
    /// status says so.
    pub(super) fn are_pods_settled(&self, object: &DynamicObject, now: Instant) -> bool {
        let mut active = self.new_pods(object).filter(|pod| is_active(pod));
        !self.kind.min_ready(object).is_zero() || active.all(|pod| self.is_settled(object, pod, now))
    }

    fn is_settled(&self, object: &DynamicObject, pod: &Pod, now: Instant) -> bool {
        self.histories.of(pod).is_none_or(|history| history.is_settled(pod, self.kind.min_ready(object), now))
    }

    /// When the last of the ready pods will have been ready for long enough.
    pub(in crate::release::readiness) fn settles_at(&self) -> Option<Instant> {
        let (object, _) = self.observed_object()?;
        let min_ready = self.kind.min_ready(object);
        self.new_pods(object).filter_map(|pod| self.histories.of(pod)?.settles_at(pod, min_ready)).max()
    }

    pub(super) fn worst_problem_of(&self, object: &DynamicObject, now: Instant) -> Option<PodProblem> {
        let problems = self.new_pods(object).filter_map(|pod| find_problem(pod, self.histories.of(pod), now));
        problems.max_by_key(|problem| problem.severity)
    }

    /// A pod that ends may free the quota that the next pod needs.
    pub(super) fn has_terminating_pods(&self) -> bool {
        self.pods.view().iter().any(|pod| pod.metadata.deletion_timestamp.is_some())
    }

    /// The pods of the new template.
    pub(super) fn new_pods(&self, object: &DynamicObject) -> impl Iterator<Item = &Pod> {
        let (owner, label) = (self.pod_owner_uid(object), self.kind.revision_label(object));
        self.pods.view().iter().filter(move |pod| {
            let is_newest = label.as_ref().is_none_or(|(name, value)| pod.labels().get(*name) == Some(value));
            owner.as_deref().is_some_and(|owner| is_owned_by(*pod, owner)) && is_newest
        })
    }

    /// The UID of the owner of the new template's pods; `None` for a Deployment whose new ReplicaSet is not seen yet. The
    /// revision alone does not suffice: while a Deployment is scaled or paused, its controller reports the newest
    /// generation as observed, and the revision is that of the template before.
    fn pod_owner_uid(&self, object: &DynamicObject) -> Option<String> {
        if self.kind != TrackedKind::Deployment {
            return object.uid();
        }
        let (revision, template) = (object.annotations().get(REVISION_ANNOTATION)?, self.kind.template(object)?);
        let mut owned = self.replica_sets.view().iter().filter(|set| is_owned_by(*set, &self.applied.uid));
        let set = owned.find(|set| set.annotations().get(REVISION_ANNOTATION) == Some(revision))?;
        set.uid().filter(|_| has_template(set, &template))
    }
}

fn is_owned_by(object: &impl ResourceExt, owner: &str) -> bool {
    object.owner_references().iter().any(|reference| reference.uid == owner)
}
