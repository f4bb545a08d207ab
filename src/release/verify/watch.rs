//! Waiting until what was applied runs. Driven by watches: where nothing happens, nothing is asked.

use std::time::Duration;

use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{Stream, StreamExt, stream};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::{DeleteParams, DynamicObject, Preconditions};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use metrics::counter;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::super::catalog::Catalog;
use super::super::error::ReleaseError;
use super::super::plan::ObjectId;
use super::evidence::{self, Witness};
use super::explain::Severity;
use super::rollout::{Change, Rollout, Verdict};
use super::rule::{Rule, Target};
use crate::clusters::once;
use crate::domain::{AppName, Manifest, Progress, metric};

/// How many reports wait for being read while objects are still applied.
const QUEUE: usize = 256;
/// How long a watch lasts, in seconds, before it is opened anew. A connection that died unnoticed hides for as long that
/// the app is ready.
const WATCH_SECONDS: u32 = 30;
/// How long an object that has failed waits for its pods to tell why.
const GRACE: Duration = Duration::from_secs(3);
/// How long deleting a stuck pod may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// The objects of a chart that are waited for, under observation.
pub(in crate::release) struct Watch {
    client: Client,
    app: AppName,
    tracked: Vec<Tracked>,
    changes: mpsc::Receiver<(usize, Change)>,
    /// Until when pods may tell more than that they start, once their object has failed.
    grace: Option<Instant>,
    _watcher: AbortOnDropHandle<()>,
}

/// One object.
struct Tracked {
    id: ObjectId,
    rollout: Rollout,
}

impl Watch {
    /// Begins to watch, before anything is applied.
    ///
    /// # Errors
    /// [`ReleaseError::UnknownKind`], [`ReleaseError::ClusterWide`], [`ReleaseError::Api`] of a kind that was not asked
    /// for yet.
    pub async fn open(
        client: &Client,
        app: &AppName,
        catalog: &mut Catalog,
        manifests: &[Manifest],
    ) -> Result<Self, ReleaseError> {
        let (mut tracked, mut all) = (Vec::new(), SelectAll::new());
        for manifest in manifests {
            let id = ObjectId::of(manifest);
            let Some(rule) = Rule::of(&id) else { continue };
            let objects = catalog.find(manifest).await?.objects;
            let index = tracked.len();
            all.push(changes(client, app, objects, rule, manifest).map(move |change| (index, change)));
            tracked.push(Tracked { rollout: Rollout::new(rule, id.to_string()), id });
        }
        let (sender, changes) = mpsc::channel(QUEUE);
        let watcher = tokio::spawn(async move {
            while let Some(change) = all.next().await {
                if sender.send(change).await.is_err() {
                    return;
                }
            }
        });
        let (client, app) = (client.clone(), app.clone());
        Ok(Self { client, app, tracked, changes, grace: None, _watcher: AbortOnDropHandle::new(watcher) })
    }

    /// Waits until everything in `applied` that has a rule is ready, at most for `limit`.
    ///
    /// # Errors
    /// [`ReleaseError::Rollout`] with the reason.
    pub async fn until_ready(
        mut self,
        applied: &[DynamicObject],
        limit: Duration,
        progress: &Progress,
    ) -> Result<(), ReleaseError> {
        let deadline = Instant::now() + limit;
        for tracked in &mut self.tracked {
            tracked.rollout.aim(target(&self.client, applied, &tracked.id).await);
        }
        loop {
            self.tell_news(progress).await;
            self.release_stuck(progress).await;
            if self.is_ready(progress).await? {
                return Ok(());
            }
            let until =
                self.grace.filter(|grace| *grace > Instant::now()).map_or(deadline, |grace| grace.min(deadline));
            match tokio::time::timeout_at(until, self.changes.recv()).await {
                Ok(Some((index, change))) => self.observe(index, change),
                Err(_) if until < deadline => {}
                Ok(None) | Err(_) => return Err(self.overdue(limit, progress).await),
            }
        }
    }

    fn observe(&mut self, index: usize, change: Change) {
        if let Some(tracked) = self.tracked.get_mut(index) {
            tracked.rollout.observe(change);
        }
    }

    async fn tell_news(&mut self, progress: &Progress) {
        for tracked in &mut self.tracked {
            for line in tracked.rollout.news() {
                progress.line(line).await;
            }
        }
    }

    /// Deletes the pods in the way of their own replacement.
    async fn release_stuck(&mut self, progress: &Progress) {
        for tracked in &mut self.tracked {
            for pod in tracked.rollout.stuck() {
                remove(&self.client, &self.app, &pod, progress).await;
            }
        }
    }

    async fn is_ready(&mut self, progress: &Progress) -> Result<bool, ReleaseError> {
        let mut ready = true;
        let grace = self.grace;
        for Tracked { rollout, .. } in &self.tracked {
            match rollout.verdict() {
                Verdict::Ready => {}
                Verdict::Pending => ready = false,
                Verdict::Failed(why) => return Err(ReleaseError::Rollout(format!("{}: {why}", rollout.subject()))),
                // News of pods and of what owns them come in no order.
                Verdict::Broken(found)
                    if found.severity == Severity::Starting && grace.is_none_or(|grace| grace > Instant::now()) =>
                {
                    self.grace = grace.or_else(|| Some(Instant::now() + GRACE));
                    ready = false;
                }
                Verdict::Broken(found) => {
                    let why = self.witness().describe(&found, progress).await;
                    return Err(ReleaseError::Rollout(why));
                }
            }
        }
        Ok(ready)
    }

    /// Why the first object that is not ready is not.
    async fn overdue(&self, limit: Duration, progress: &Progress) -> ReleaseError {
        let late = self.tracked.iter().find(|tracked| tracked.rollout.verdict() != Verdict::Ready);
        let Some(Tracked { id, rollout }) = late else {
            return ReleaseError::Rollout("watching the rollout ended".to_owned());
        };
        let why = match (rollout.refusal(), rollout.obstacle()) {
            (Some(refusal), _) => refusal,
            (None, Some(found)) => self.witness().describe(&found, progress).await,
            (None, None) => match self.witness().complaint(id).await {
                Some(complaint) => complaint,
                None => rollout.remark().unwrap_or_else(|| "not all of its pods were there and ready".to_owned()),
            },
        };
        ReleaseError::Rollout(format!("{id} was not ready within {} s: {why}", limit.as_secs()))
    }

    fn witness(&self) -> Witness<'_> {
        Witness { client: &self.client, app: &self.app }
    }
}

/// What happens to the object; and, where it has some, to what has its pods' labels.
fn changes(
    client: &Client,
    app: &AppName,
    objects: Api<DynamicObject>,
    rule: Rule,
    manifest: &Manifest,
) -> SelectAll<BoxStream<'static, Change>> {
    let config = Config::default().timeout(WATCH_SECONDS);
    let itself = config.clone().fields(&format!("metadata.name={}", manifest.name()));
    let mut all = stream::select_all([reports(objects, itself).map(Change::Object).boxed()]);
    let its = config.labels(&selector(rule, manifest));
    if rule == Rule::Deployment {
        let sets = Api::namespaced(client.clone(), app.as_str());
        all.push(reports::<ReplicaSet>(sets, its.clone()).map(Change::ReplicaSet).boxed());
    }
    if rule.has_pods() {
        let pods = Api::namespaced(client.clone(), app.as_str());
        all.push(reports::<Pod>(pods, its).map(Change::Pod).boxed());
    }
    all
}

/// A watch that resumes by itself. What interrupts it is no fault of the rollout: the deadline decides.
fn reports<K>(objects: Api<K>, config: Config) -> impl Stream<Item = Event<K>> + Send + 'static
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    watcher(objects, config).default_backoff().filter_map(|event| {
        let event = event.inspect_err(|error| {
            counter!(metric::WATCH_RESTARTS_TOTAL, "watch" => "rollout").increment(1);
            tracing::warn!(%error, "a watch was interrupted and resumes");
        });
        std::future::ready(event.ok())
    })
}

/// The labels of an object's pods. Those of a Job are made up by the server, but for this one.
fn selector(rule: Rule, manifest: &Manifest) -> String {
    if rule == Rule::Job {
        return format!("job-name={}", manifest.name());
    }
    let labels = manifest.object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let pairs = labels.into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    pairs.collect::<Vec<_>>().join(",")
}

async fn target(client: &Client, applied: &[DynamicObject], id: &ObjectId) -> Target {
    let Some(object) = applied.iter().find(|object| ObjectId::of_live(object) == Some(id.clone())) else {
        return Target::default();
    };
    Target {
        uid: object.uid().unwrap_or_default(),
        generation: object.metadata.generation.unwrap_or_default(),
        binds_late: evidence::binds_late(client, object).await,
    }
}

/// Deletes a pod that stands in the way of its own replacement: this one, and not the next of its name.
async fn remove(client: &Client, app: &AppName, pod: &Pod, progress: &Progress) {
    let (pods, name): (Api<Pod>, _) = (Api::namespaced(client.clone(), app.as_str()), pod.name_any());
    let only_this = Preconditions { uid: pod.uid(), resource_version: None };
    let params = DeleteParams::default().preconditions(only_this);
    match once("deleting a pod", DEADLINE, pods.delete(&name, &params)).await {
        Ok(_) => progress.line(format!("pod/{name} of an older template never became ready: removed")).await,
        // Another one stands there by now, or none, or the deadline will tell.
        Err(error) => tracing::warn!(%error, %app, pod = name, "a stuck pod could not be deleted"),
    }
}
