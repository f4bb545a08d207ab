//! The rollout of one Deployment, as it shows in what a watch reports. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use super::explain::{Explanation, Severity, explain, not_ready};
use super::status::{self, Readiness};

/// The annotation in which a Deployment and its ReplicaSets say which template they are of.
const TEMPLATE_REVISION: &str = "deployment.kubernetes.io/revision";

/// Something the watch reported.
#[derive(Debug)]
pub enum Change {
    /// About the Deployment itself.
    Deployment(Event<Deployment>),
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
    /// It will not succeed: the Deployment itself is gone.
    Failed(String),
}

/// Which Deployment, as the apply returned it.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Its identity: one of the same name that was made later is another.
    pub uid: String,
    /// What the apply made its generation.
    pub generation: i64,
}

/// What is known about the rollout.
#[derive(Debug, Default)]
pub struct Rollout {
    deployments: Cache<Deployment>,
    sets: Cache<ReplicaSet>,
    pods: Cache<Pod>,
    /// What the pusher was told already.
    told: BTreeSet<String>,
    count: Option<(i32, i32)>,
}

impl Rollout {
    /// Takes in what the watch reported.
    pub fn observe(&mut self, change: Change) {
        match change {
            Change::Deployment(event) => self.deployments.observe(event),
            Change::ReplicaSet(event) => self.sets.observe(event),
            Change::Pod(event) => self.pods.observe(event),
        }
    }

    /// What is to become of it.
    pub fn verdict(&self, target: &Target) -> Verdict {
        let Some(deployment) = self.deployments.get(&target.name) else {
            let gone = self.deployments.gone.contains(&target.uid);
            return if gone { Verdict::Failed("it was deleted by someone else".into()) } else { Verdict::Pending };
        };
        if deployment.metadata.uid.as_deref() != Some(target.uid.as_str()) {
            return Verdict::Pending;
        }
        match status::deployment(deployment, target.generation) {
            Readiness::Ready => Verdict::Ready,
            Readiness::Unobserved => Verdict::Pending,
            Readiness::Progressing => match self.worst_pod(deployment) {
                Some(worst) if worst.severity == Severity::Fatal => Verdict::Broken(worst),
                _ => Verdict::Pending,
            },
        }
    }

    /// Why it is not ready, as far as is known: asked when the time is over.
    pub fn obstacle(&self, target: &Target) -> Option<Explanation> {
        self.worst_pod(self.observed(target)?)
    }

    /// What the controller says stands in the way of more pods, such as a quota.
    pub fn refusal(&self, target: &Target) -> Option<String> {
        let deployment = self.observed(target)?;
        let progressing = status::deployment(deployment, target.generation) == Readiness::Progressing;
        if progressing { status::refusal(deployment) } else { None }
    }

    /// What there is to say where nothing else explains it: asked when the time is over.
    pub fn remark(&self, target: &Target) -> String {
        let deployment = self.observed(target);
        let pod = deployment.and_then(|deployment| self.new_pods(deployment).find_map(not_ready));
        let remark = pod.or_else(|| status::timed_out(deployment?));
        remark.unwrap_or_else(|| "not all of its pods were there and ready".to_owned())
    }

    /// What is worth telling the pusher and was not told yet.
    pub fn news(&mut self, target: &Target) -> Vec<String> {
        let mut lines = Vec::new();
        let trouble = self.obstacle(target).filter(|obstacle| obstacle.severity == Severity::Trouble);
        lines.extend(trouble.map(|obstacle| format!("pod/{}: {}", obstacle.pod, obstacle.text)));
        lines.extend(self.refusal(target).map(|refusal| format!("deployment/{}: {refusal}", target.name)));
        lines.retain(|line| self.told.insert(line.clone()));
        if let Some((ready, wanted)) = self.counted(target)
            && self.count.replace((ready, wanted)) != Some((ready, wanted))
        {
            lines.push(format!("deployment/{} {ready} of {wanted} ready", target.name));
        }
        lines
    }

    /// The Deployment, once the controller has seen what was applied: before, its pods are those of the template before.
    fn observed(&self, target: &Target) -> Option<&Deployment> {
        let deployment = self.deployments.get(&target.name)?;
        let unobserved = status::deployment(deployment, target.generation) == Readiness::Unobserved;
        (!unobserved).then_some(deployment)
    }

    /// How many pods of the new template are ready, of how many.
    fn counted(&self, target: &Target) -> Option<(i32, i32)> {
        let deployment = self.observed(target)?;
        let wanted = status::wanted(deployment);
        // The last word is the Deployment's; news of its ReplicaSet may come later.
        if status::deployment(deployment, target.generation) == Readiness::Ready {
            return Some((wanted, wanted));
        }
        let set = self.newest_set(deployment)?.status.as_ref()?;
        Some((set.ready_replicas.unwrap_or_default(), wanted))
    }

    /// Of the new template's pods, the one with the most to say. Pods of the old template are no obstacle.
    fn worst_pod(&self, deployment: &Deployment) -> Option<Explanation> {
        self.new_pods(deployment).filter_map(explain).max_by_key(|explanation| explanation.severity)
    }

    fn new_pods(&self, deployment: &Deployment) -> impl Iterator<Item = &Pod> {
        let set = self.newest_set(deployment).and_then(|set| set.metadata.uid.clone());
        self.pods.iter().filter(move |pod| is_owned(*pod, set.as_deref()))
    }

    fn newest_set(&self, deployment: &Deployment) -> Option<&ReplicaSet> {
        let revision = deployment.annotations().get(TEMPLATE_REVISION)?;
        let mut owned = self.sets.iter().filter(|set| is_owned(*set, deployment.metadata.uid.as_deref()));
        owned.find(|set| set.annotations().get(TEMPLATE_REVISION) == Some(revision))
    }
}

fn is_owned(object: &impl ResourceExt, owner: Option<&str>) -> bool {
    owner.is_some_and(|owner| object.owner_references().iter().any(|reference| reference.uid == owner))
}

/// The objects of one kind that a watch has reported.
#[derive(Debug)]
struct Cache<K> {
    objects: BTreeMap<String, K>,
    /// Those of a list that is not complete yet.
    listing: Option<BTreeMap<String, K>>,
    /// Which ones were seen and have vanished. What was never seen may not have been made yet.
    gone: BTreeSet<String>,
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), listing: None, gone: BTreeSet::new() }
    }
}

impl<K: ResourceExt> Cache<K> {
    fn observe(&mut self, event: Event<K>) {
        match event {
            Event::Init => self.listing = Some(BTreeMap::new()),
            Event::InitApply(object) => {
                self.listing.get_or_insert_default().insert(object.name_any(), object);
            }
            Event::InitDone => {
                let known = std::mem::replace(&mut self.objects, self.listing.take().unwrap_or_default());
                let left: BTreeSet<_> = self.iter().filter_map(K::uid).collect();
                self.gone.extend(known.values().filter_map(K::uid).filter(|uid| !left.contains(uid)));
            }
            Event::Apply(object) => {
                self.objects.insert(object.name_any(), object);
            }
            Event::Delete(object) => {
                self.objects.remove(&object.name_any());
                self.gone.extend(object.uid());
            }
        }
    }

    fn get(&self, name: &str) -> Option<&K> {
        self.objects.get(name)
    }

    fn iter(&self) -> impl Iterator<Item = &K> {
        self.objects.values()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn target() -> Target {
        Target { name: "a".into(), uid: "d".into(), generation: 2 }
    }

    fn deployment(observed: i64, template: &str, available: i32) -> Change {
        let object = json!({
            "metadata": {"name": "a", "uid": "d", "generation": 2, "annotations": {TEMPLATE_REVISION: template}},
            "spec": {"replicas": 1, "selector": {}, "template": {}},
            "status": {"observedGeneration": observed, "replicas": 1, "updatedReplicas": available,
                       "availableReplicas": available},
        });
        Change::Deployment(Event::Apply(serde_json::from_value(object).unwrap()))
    }

    fn set(uid: &str, template: &str, ready: i32) -> Change {
        let object = json!({
            "metadata": {"name": format!("a-{uid}"), "uid": uid, "annotations": {TEMPLATE_REVISION: template},
                         "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "a", "uid": "d"}]},
            "spec": {"selector": {}}, "status": {"replicas": 1, "readyReplicas": ready},
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

    fn rollout(changes: impl IntoIterator<Item = Change>) -> Rollout {
        let mut rollout = Rollout::default();
        changes.into_iter().for_each(|change| rollout.observe(change));
        rollout
    }

    #[test]
    fn a_crash_of_the_old_template_is_no_failure_of_the_new() {
        let changes = [set("old", "1", 0), set("new", "2", 0), pod("old", "CrashLoopBackOff"), deployment(2, "2", 0)];
        let mut rollout = rollout(changes);
        assert_eq!(rollout.verdict(&target()), Verdict::Pending);
        rollout.observe(pod("new", "CrashLoopBackOff"));
        assert!(matches!(rollout.verdict(&target()), Verdict::Broken(why) if why.pod == "a-new-1"));
    }

    #[test]
    fn nothing_is_decided_before_the_controller_has_seen_the_change() {
        let rollout = rollout([set("old", "1", 1), pod("old", "CrashLoopBackOff"), deployment(1, "1", 1)]);
        assert_eq!(rollout.verdict(&target()), Verdict::Pending);
    }

    #[test]
    fn counts_and_troubles_are_told_once() {
        let mut rollout = rollout([set("new", "2", 0), deployment(2, "2", 0)]);
        assert_eq!(rollout.news(&target()), ["deployment/a 0 of 1 ready"]);
        assert_eq!(rollout.news(&target()), Vec::<String>::new());
        rollout.observe(pod("new", "Odd"));
        assert_eq!(rollout.news(&target()), ["pod/a-new-1: Odd: m"]);
        rollout.observe(pod("new", "ContainerCreating"));
        rollout.observe(pod("new", "Odd"));
        assert_eq!(rollout.news(&target()), Vec::<String>::new());
        rollout.observe(deployment(2, "2", 1));
        assert_eq!(rollout.news(&target()), ["deployment/a 1 of 1 ready"]);
        assert_eq!(rollout.verdict(&target()), Verdict::Ready);
    }

    fn condition_of(observed: i64, template: &str, available: i32, condition: Value) -> Change {
        let Change::Deployment(Event::Apply(mut object)) = deployment(observed, template, available) else { panic!() };
        object.status.as_mut().unwrap().conditions = Some(vec![serde_json::from_value(condition).unwrap()]);
        Change::Deployment(Event::Apply(object))
    }

    /// As kube-apiserver 1.20 reports it for some milliseconds.
    #[test]
    fn a_rollback_is_not_judged_by_the_timeout_of_what_it_undoes() {
        let exceeded = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                              "message": "it timed out"});
        let mut rollout = rollout([set("old", "2", 1), condition_of(2, "2", 0, exceeded)]);
        assert_eq!(rollout.verdict(&target()), Verdict::Pending);
        assert_eq!(rollout.news(&target()), ["deployment/a 1 of 1 ready"]);
        assert_eq!(rollout.remark(&target()), "it timed out");
        rollout.observe(deployment(2, "2", 1));
        assert_eq!(rollout.verdict(&target()), Verdict::Ready);
    }

    #[test]
    fn what_nothing_explains_is_told_in_the_pods_own_words() {
        let mut rollout = rollout([set("new", "2", 0), deployment(2, "2", 0)]);
        assert_eq!(rollout.remark(&target()), "not all of its pods were there and ready");
        let condition = json!({"type": "Ready", "status": "False", "message": "a gate is closed"});
        let Change::Pod(Event::Apply(mut pod)) = pod("new", "x") else { panic!() };
        pod.status = serde_json::from_value(json!({"conditions": [condition]})).unwrap();
        rollout.observe(Change::Pod(Event::Apply(pod)));
        assert_eq!(rollout.obstacle(&target()), None);
        assert_eq!(rollout.remark(&target()), "pod/a-new-1: a gate is closed");
    }

    #[test]
    fn what_is_not_yet_there_was_not_deleted() {
        let empty = [Change::Deployment(Event::Init), Change::Deployment(Event::InitDone)];
        assert_eq!(rollout(empty).verdict(&target()), Verdict::Pending);
    }

    #[test]
    fn a_list_replaces_what_was_known() {
        let mut rollout = rollout([deployment(2, "2", 0)]);
        rollout.observe(Change::Deployment(Event::Init));
        assert_eq!(rollout.verdict(&target()), Verdict::Pending);
        rollout.observe(Change::Deployment(Event::InitDone));
        assert_eq!(rollout.verdict(&target()), Verdict::Failed("it was deleted by someone else".into()));
    }

    #[test]
    fn a_deployment_made_anew_by_someone_else_is_not_ours() {
        let other = Target { uid: "other".into(), ..target() };
        assert_eq!(rollout([deployment(2, "2", 1)]).verdict(&other), Verdict::Pending);
    }
}
