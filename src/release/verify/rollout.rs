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

fn is_owned(object: &impl ResourceExt, owner: &str) -> bool {
    object.owner_references().iter().any(|reference| reference.uid == owner)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn target(uid: &str) -> Target {
        Target { uid: uid.into(), generation: 2, binds_late: false }
    }

    fn deployment(observed: i64, template: &str, available: i32) -> Change {
        let object = json!({
            "metadata": {"name": "a", "uid": "d", "generation": 2, "annotations": {TEMPLATE_REVISION: template}},
            "spec": {"replicas": 1, "selector": {}, "template": {}},
            "status": {"observedGeneration": observed, "replicas": 1, "updatedReplicas": available,
                       "availableReplicas": available},
        });
        Change::Object(Event::Apply(serde_json::from_value(object).unwrap()))
    }

    fn set(uid: &str, template: &str) -> Change {
        let object = json!({
            "metadata": {"name": format!("a-{uid}"), "uid": uid, "annotations": {TEMPLATE_REVISION: template},
                         "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "a", "uid": "d"}]},
            "spec": {"selector": {}}, "status": {"replicas": 1},
        });
        Change::ReplicaSet(Event::Apply(serde_json::from_value(object).unwrap()))
    }

    fn pod(set: &str, reason: &str) -> Change {
        let object = json!({
            "metadata": {"name": format!("a-{set}-1"),
                         "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": set}]},
            "status": {"containerStatuses": [{"name": "a", "image": "i", "imageID": "", "ready": false,
                       "restartCount": 0, "state": {"waiting": {"reason": reason, "message": "m"}}}]},
        });
        Change::Pod(Event::Apply(serde_json::from_value(object).unwrap()))
    }

    fn ready_pod(set: &str) -> Change {
        let Change::Pod(Event::Apply(mut ready)) = pod(set, "x") else { panic!() };
        ready.status = serde_json::from_value(json!({"conditions": [{"type": "Ready", "status": "True"}]})).unwrap();
        Change::Pod(Event::Apply(ready))
    }

    fn rollout(changes: impl IntoIterator<Item = Change>) -> Rollout {
        following(Rule::Deployment, changes)
    }

    fn following(rule: Rule, changes: impl IntoIterator<Item = Change>) -> Rollout {
        let mut rollout = Rollout::new(rule, "deployment/a".into());
        rollout.aim(target("d"));
        changes.into_iter().for_each(|change| rollout.observe(change));
        rollout
    }

    #[test]
    fn a_crash_of_the_old_template_is_no_failure_of_the_new() {
        let changes = [set("old", "1"), set("new", "2"), pod("old", "CrashLoopBackOff"), deployment(2, "2", 0)];
        let mut rollout = rollout(changes);
        assert_eq!(rollout.verdict(), Verdict::Pending);
        rollout.observe(pod("new", "CrashLoopBackOff"));
        assert!(matches!(rollout.verdict(), Verdict::Broken(why) if why.pod == "a-new-1"));
    }

    #[test]
    fn nothing_is_decided_before_the_controller_has_seen_the_change() {
        let rollout = rollout([set("old", "1"), pod("old", "CrashLoopBackOff"), deployment(1, "1", 1)]);
        assert_eq!(rollout.verdict(), Verdict::Pending);
    }

    #[test]
    fn counts_and_troubles_are_told_once() {
        let mut rollout = rollout([set("new", "2"), deployment(2, "2", 0)]);
        assert_eq!(rollout.news(), ["deployment/a 0 of 1 ready"]);
        assert_eq!(rollout.news(), Vec::<String>::new());
        rollout.observe(pod("new", "Odd"));
        assert_eq!(rollout.news(), ["pod/a-new-1: Odd: m"]);
        rollout.observe(pod("new", "ContainerCreating"));
        rollout.observe(pod("new", "Odd"));
        assert_eq!(rollout.news(), Vec::<String>::new());
        rollout.observe(deployment(2, "2", 1));
        assert_eq!(rollout.news(), ["deployment/a 1 of 1 ready"]);
        assert_eq!(rollout.verdict(), Verdict::Ready);
    }

    fn condition_of(observed: i64, template: &str, available: i32, condition: Value) -> Change {
        let Change::Object(Event::Apply(mut object)) = deployment(observed, template, available) else { panic!() };
        object.data["status"]["conditions"] = json!([condition]);
        Change::Object(Event::Apply(object))
    }

    /// As kube-apiserver 1.20 reports it for some milliseconds.
    #[test]
    fn a_rollback_is_not_judged_by_the_timeout_of_what_it_undoes() {
        let exceeded = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                              "message": "it timed out"});
        let mut rollout = rollout([set("old", "2"), ready_pod("old"), condition_of(2, "2", 0, exceeded)]);
        assert_eq!(rollout.verdict(), Verdict::Pending);
        assert_eq!(rollout.news(), ["deployment/a 1 of 1 ready"]);
        assert_eq!(rollout.remark().as_deref(), Some("it timed out"));
        rollout.observe(deployment(2, "2", 1));
        assert_eq!(rollout.verdict(), Verdict::Ready);
    }

    #[test]
    fn what_nothing_explains_is_told_in_the_pods_own_words() {
        let mut rollout = rollout([set("new", "2"), deployment(2, "2", 0)]);
        assert_eq!(rollout.remark(), None);
        let condition = json!({"type": "Ready", "status": "False", "message": "a gate is closed"});
        let Change::Pod(Event::Apply(mut pod)) = pod("new", "x") else { panic!() };
        pod.status = serde_json::from_value(json!({"conditions": [condition]})).unwrap();
        rollout.observe(Change::Pod(Event::Apply(pod)));
        assert_eq!(rollout.obstacle(), None);
        assert_eq!(rollout.remark().as_deref(), Some("pod/a-new-1: a gate is closed"));
    }

    #[test]
    fn what_is_not_yet_there_was_not_deleted() {
        let empty = [Change::Object(Event::Init), Change::Object(Event::InitDone)];
        assert_eq!(rollout(empty).verdict(), Verdict::Pending);
    }

    #[test]
    fn a_list_replaces_what_was_known() {
        let mut rollout = rollout([deployment(2, "2", 0)]);
        rollout.observe(Change::Object(Event::Init));
        assert_eq!(rollout.verdict(), Verdict::Pending);
        rollout.observe(Change::Object(Event::InitDone));
        assert_eq!(rollout.verdict(), Verdict::Failed("it was deleted by someone else".into()));
    }

    #[test]
    fn a_deployment_made_anew_by_someone_else_is_not_ours() {
        let mut rollout = rollout([deployment(2, "2", 1)]);
        rollout.aim(target("other"));
        assert_eq!(rollout.verdict(), Verdict::Pending);
    }

    fn stateful_set(updated: i32) -> Change {
        let object = json!({
            "metadata": {"name": "a", "uid": "d", "generation": 2},
            "spec": {"replicas": 1, "serviceName": "a", "selector": {}, "template": {}},
            "status": {"observedGeneration": 2, "replicas": 1, "updatedReplicas": updated, "readyReplicas": updated,
                       "updateRevision": "new"},
        });
        Change::Object(Event::Apply(serde_json::from_value(object).unwrap()))
    }

    fn owned_pod(revision: &str, status: &Value) -> Change {
        let labels = json!({"controller-revision-hash": revision});
        let object = json!({
            "metadata": {"name": "a-0", "uid": format!("pod-{revision}"), "labels": labels,
                         "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "a", "uid": "d"}]},
            "status": {"containerStatuses": [{"name": "a", "image": "i", "imageID": "", "ready": false,
                       "restartCount": 1, "state": status}]},
        });
        Change::Pod(Event::Apply(serde_json::from_value(object).unwrap()))
    }

    fn crashing() -> Value {
        json!({"waiting": {"reason": "CrashLoopBackOff"}})
    }

    #[test]
    fn a_stateful_sets_pod_that_never_became_ready_is_named_once_to_be_removed() {
        let mut rollout = following(Rule::StatefulSet, [stateful_set(0), owned_pod("old", &crashing())]);
        assert_eq!(rollout.verdict(), Verdict::Pending, "it is not of the newest template");
        assert_eq!(rollout.stuck().len(), 1);
        assert_eq!(rollout.stuck().len(), 0);
        rollout.observe(owned_pod("new", &crashing()));
        assert!(matches!(rollout.verdict(), Verdict::Broken(_)));
        assert_eq!(rollout.stuck().len(), 0);
    }

    fn job(condition: &str) -> DynamicObject {
        let object = json!({
            "metadata": {"name": "a", "uid": "d", "generation": 1},
            "spec": {"template": {}},
            "status": {"conditions": [{"type": condition, "status": "True", "message": "too often"}]},
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_job_counts_its_crashes_itself() {
        let mut rollout = following(Rule::Job, [owned_pod("", &crashing())]);
        rollout.observe(Change::Object(Event::Apply(job("Suspended"))));
        assert_eq!(rollout.verdict(), Verdict::Pending);
        rollout.observe(owned_pod("", &json!({"waiting": {"reason": "ErrImagePull"}})));
        assert!(matches!(rollout.verdict(), Verdict::Broken(_)));
    }

    #[test]
    fn a_job_that_failed_is_told_by_its_pod_or_else_by_itself() {
        let mut rollout = following(Rule::Job, [Change::Object(Event::Apply(job("Failed")))]);
        assert_eq!(rollout.verdict(), Verdict::Failed("too often".to_owned()));
        rollout.observe(owned_pod("", &json!({"terminated": {"exitCode": 3}})));
        assert!(matches!(rollout.verdict(), Verdict::Broken(why) if why.text == "it crashed (exit code 3)"));
    }

    #[test]
    fn a_job_that_was_cleaned_up_after_its_end_was_not_deleted_by_someone_else() {
        let ended = |condition: &str| following(Rule::Job, [Change::Object(Event::Delete(job(condition)))]).verdict();
        assert_eq!(ended("Complete"), Verdict::Ready);
        assert!(matches!(ended("Failed"), Verdict::Failed(_)));
    }
}
