//! The rollout of one object, as it shows in what the watches report. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;

use super::cache::Cache;
use super::explain::{Evidence, Explanation, Severity, explain, is_ready, not_ready};
use super::rule::{Readiness, Rule, State, Target};

/// The annotation in which a Deployment and its ReplicaSets say which template they are of.
const TEMPLATE_REVISION: &str = "deployment.kubernetes.io/revision";

/// Something a watch reported.
#[derive(Debug)]
pub enum Change {
    /// About the object itself.
    Object(Event<DynamicObject>),
    /// About ReplicaSets with its labels.
    ReplicaSet(Event<ReplicaSet>),
    /// About pods with its labels.
    Pod(Event<Pod>),
}

/// What is to become of the rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pending,
    /// It is done.
    Ready,
    /// It will not succeed; a pod shows why.
    Broken(Explanation),
    /// It will not succeed: the object itself says so, or is gone.
    Failed(String),
}

/// What is known about the rollout.
#[derive(Debug)]
pub struct Rollout {
    rule: Rule,
    /// The object, as users read it: `deployment/web`.
    subject: String,
    target: Target,
    objects: Cache<DynamicObject>,
    sets: Cache<ReplicaSet>,
    pods: Cache<Pod>,
    /// What the pusher was told already.
    told: BTreeSet<String>,
    count: Option<(usize, i32)>,
    /// The pods that were said to be stuck.
    stuck: BTreeSet<String>,
}

impl Rollout {
    /// Nothing is known yet. Until its target is known, nothing that is seen of it counts.
    pub fn new(rule: Rule, subject: String) -> Self {
        Self {
            rule,
            subject,
            target: Target::default(),
            objects: Cache::default(),
            sets: Cache::default(),
            pods: Cache::default(),
            told: BTreeSet::new(),
            count: None,
            stuck: BTreeSet::new(),
        }
    }

    /// What the apply returned.
    pub fn aim(&mut self, target: Target) {
        self.target = target;
    }

    /// The object, as users read it.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Takes in what a watch reported.
    pub fn observe(&mut self, change: Change) {
        match change {
            Change::Object(event) => self.objects.observe(event),
            Change::ReplicaSet(event) => self.sets.observe(event),
            Change::Pod(event) => self.pods.observe(event),
        }
    }

    /// What is to become of it.
    pub fn verdict(&self) -> Verdict {
        let Some(object) = self.objects.get(&self.target.uid) else {
            return match self.objects.gone(&self.target.uid).map(|last| self.read(last).readiness) {
                None => Verdict::Pending,
                // Kubernetes deletes a Job that has ended, where that says for how long it is to be kept.
                Some(Readiness::Ready) if self.rule == Rule::Job => Verdict::Ready,
                Some(_) => Verdict::Failed("it was deleted by someone else".into()),
            };
        };
        match self.read(object).readiness {
            Readiness::Ready => Verdict::Ready,
            Readiness::Unobserved => Verdict::Pending,
            Readiness::Progressing => match self.worst_pod(object) {
                _ if self.has_replaced_pods(object) => Verdict::Ready,
                Some(worst) if self.is_fatal(&worst) => Verdict::Broken(worst),
                _ => Verdict::Pending,
            },
            Readiness::Failed(why) => self.worst_pod(object).map_or(Verdict::Failed(why), Verdict::Broken),
        }
    }

    /// Why it is not ready, as far as its pods tell: asked when the time is over.
    pub fn obstacle(&self) -> Option<Explanation> {
        self.worst_pod(self.observed()?.0)
    }

    /// What the controller says stands in the way of more pods, such as a quota.
    pub fn refusal(&self) -> Option<String> {
        let (_, state) = self.observed()?;
        if state.readiness == Readiness::Progressing { state.refusal } else { None }
    }

    /// What there is to say where nothing else explains it: asked when the time is over.
    pub fn remark(&self) -> Option<String> {
        let object = self.objects.get(&self.target.uid)?;
        let pod = self.observed().and_then(|_| self.new_pods(object).find_map(not_ready));
        pod.or_else(|| self.read(object).remark)
    }

    /// What is worth telling the pusher and was not told yet.
    pub fn news(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let trouble = self.obstacle().filter(|obstacle| obstacle.severity == Severity::Trouble);
        lines.extend(trouble.map(|obstacle| format!("pod/{}: {}", obstacle.pod, obstacle.text)));
        lines.extend(self.refusal().map(|refusal| format!("{}: {refusal}", self.subject)));
        lines.extend(self.waits_for().map(|what| format!("waiting for {}: {what}", self.subject)));
        lines.retain(|line| self.told.insert(line.clone()));
        if let Some((ready, wanted)) = self.counted()
            && self.count.replace((ready, wanted)) != Some((ready, wanted))
        {
            lines.push(format!("{} {ready} of {wanted} ready", self.subject));
        }
        lines
    }

    /// The pods of older templates that will never be ready, where the controller waits for them before it replaces them.
    /// Each is named once.
    pub fn stuck(&mut self) -> Vec<Pod> {
        let Some((object, _)) = self.observed() else { return Vec::new() };
        let Some((label, newest)) = self.rule.template_mark(object).filter(|_| self.rule.waits_for_old_pods(object))
        else {
            return Vec::new();
        };
        let is_old = |pod: &&Pod| pod.labels().get(label) != Some(&newest);
        let never_ready = |pod: &&Pod| explain(pod).is_some_and(|found| found.severity == Severity::Fatal);
        let owned = self.pods.iter().filter(|pod| is_owned(*pod, &self.target.uid));
        let stuck: Vec<Pod> = owned.filter(is_old).filter(never_ready).cloned().collect();
        stuck.into_iter().filter(|pod| pod.uid().is_some_and(|uid| self.stuck.insert(uid))).collect()
    }

    fn read(&self, object: &DynamicObject) -> State {
        self.rule.read(object, &self.target)
    }

    /// A Job starts a container again that crashed, as often as it says.
    fn is_fatal(&self, found: &Explanation) -> bool {
        let crashed = matches!(found.evidence, Evidence::PreviousLog | Evidence::PreviousLogAndProbes { .. });
        found.severity == Severity::Fatal && (self.rule.dies_of_a_crash() || !crashed)
    }

    /// The object, once its controller has seen what was applied: before, its pods are those of the template before.
    fn observed(&self) -> Option<(&DynamicObject, State)> {
        let object = self.objects.get(&self.target.uid)?;
        let state = self.read(object);
        (state.readiness != Readiness::Unobserved).then_some((object, state))
    }

    /// What an object without counted pods waits for.
    fn waits_for(&self) -> Option<String> {
        let (_, state) = self.observed()?;
        let waits = state.readiness == Readiness::Progressing && state.wanted.is_none();
        if waits { state.remark } else { None }
    }

    /// How many pods of the new template are ready, of how many.
    fn counted(&self) -> Option<(usize, i32)> {
        let (object, state) = self.observed()?;
        let wanted = state.wanted?;
        // The last word is the object's; news of its pods may come later.
        if state.readiness == Readiness::Ready {
            return Some((usize::try_from(wanted).unwrap_or_default(), wanted));
        }
        self.pods_owner(object)?;
        Some((self.new_pods(object).filter(|pod| is_ready(pod)).count(), wanted))
    }

    /// Whether as many pods as wanted are ready, all of the new template, and no others are left but those that go away.
    /// Any other pod with its labels is taken for an old one.
    fn has_replaced_pods(&self, object: &DynamicObject) -> bool {
        let (wanted, owner) = (self.read(object).wanted, self.pods_owner(object));
        let (Some(wanted), Some(owner), true) = (wanted, owner, self.rule.is_told_by_pods(object)) else {
            return false;
        };
        let stay: Vec<_> = self.pods.iter().filter(|pod| !is_going(pod)).collect();
        i32::try_from(stay.len()) == Ok(wanted) && stay.iter().all(|pod| is_owned(*pod, &owner) && is_ready(pod))
    }

    /// Of the new template's pods, the one with the most to say. Pods of the old template are no obstacle.
    fn worst_pod(&self, object: &DynamicObject) -> Option<Explanation> {
        self.new_pods(object).filter_map(explain).max_by_key(|explanation| explanation.severity)
    }

    fn new_pods(&self, object: &DynamicObject) -> impl Iterator<Item = &Pod> {
        let (owner, mark) = (self.pods_owner(object), self.rule.template_mark(object));
        self.pods.iter().filter(move |pod| {
            let marked = mark.as_ref().is_none_or(|(label, value)| pod.labels().get(*label) == Some(value));
            owner.as_deref().is_some_and(|owner| is_owned(*pod, owner)) && marked
        })
    }

    /// Who owns the pods of the new template; `None` where that is not known yet.
    fn pods_owner(&self, object: &DynamicObject) -> Option<String> {
        if self.rule != Rule::Deployment {
            return object.uid();
        }
        let revision = object.annotations().get(TEMPLATE_REVISION)?;
        let mut owned = self.sets.iter().filter(|set| is_owned(*set, &self.target.uid));
        owned.find(|set| set.annotations().get(TEMPLATE_REVISION) == Some(revision))?.uid()
    }
}

/// What its ReplicaSet does not count any more.
fn is_going(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_some() || matches!(phase, Some("Succeeded" | "Failed"))
}

fn is_owned(object: &impl ResourceExt, owner: &str) -> bool {
    object.owner_references().iter().any(|reference| reference.uid == owner)
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
