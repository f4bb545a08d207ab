//! Waiting until what was applied runs. Driven by watches: where nothing happens, nothing is asked.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::DynamicObject;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::error::ReleaseError;
use super::pods;
use super::rollout::{Change, Rollout, Target, Verdict};
use crate::domain::{AppName, Manifest, Progress};

/// How many reports wait for being read while objects are still applied.
const QUEUE: usize = 256;
/// How long a watch lasts, in seconds, before it is opened anew. A connection that died unnoticed hides for as long that
/// the app is ready.
const WATCH_SECONDS: u32 = 30;

/// The Deployments of a chart under observation. What else a chart may hold, such as StatefulSets, DaemonSets and Jobs,
/// is applied and not waited for yet.
pub(super) struct Watch {
    client: Client,
    app: AppName,
    tracked: Vec<Tracked>,
    changes: mpsc::Receiver<(usize, Change)>,
    _watcher: AbortOnDropHandle<()>,
}

/// One Deployment. Until it was applied, nothing that is seen of it counts.
struct Tracked {
    name: String,
    target: Target,
    rollout: Rollout,
}

impl Watch {
    /// Begins to watch, before anything is applied.
    pub fn open(client: &Client, app: &AppName, manifests: &[Manifest]) -> Self {
        let deployments: Vec<_> = manifests.iter().filter(|m| is_deployment(m.api_version(), m.kind())).collect();
        let streams = deployments
            .iter()
            .enumerate()
            .map(|(index, deployment)| changes(client, app, deployment).map(move |change| (index, change)).boxed());
        let mut all = stream::select_all(streams);
        let (sender, changes) = mpsc::channel(QUEUE);
        let watcher = tokio::spawn(async move {
            while let Some(change) = all.next().await {
                if sender.send(change).await.is_err() {
                    return;
                }
            }
        });
        let tracked = deployments.iter().map(|deployment| Tracked {
            name: deployment.name().to_owned(),
            target: Target::default(),
            rollout: Rollout::default(),
        });
        let (client, app, tracked) = (client.clone(), app.clone(), tracked.collect());
        Self { client, app, tracked, changes, _watcher: AbortOnDropHandle::new(watcher) }
    }

    /// Waits until every Deployment in `applied` has rolled out, at most for `limit`.
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
            tracked.target = target(applied, &tracked.name);
        }
        loop {
            self.tell_news(progress).await;
            if self.is_ready(progress).await? {
                return Ok(());
            }
            match tokio::time::timeout_at(deadline, self.changes.recv()).await {
                Ok(Some((index, change))) => self.observe(index, change),
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
            for line in tracked.rollout.news(&tracked.target) {
                progress.line(line).await;
            }
        }
    }

    async fn is_ready(&self, progress: &Progress) -> Result<bool, ReleaseError> {
        let mut ready = true;
        for Tracked { name, target, rollout } in &self.tracked {
            match rollout.verdict(target) {
                Verdict::Ready => {}
                Verdict::Pending => ready = false,
                Verdict::Failed(why) => return Err(ReleaseError::Rollout(format!("deployment/{name}: {why}"))),
                Verdict::Broken(found) => {
                    let why = pods::describe(&self.client, &self.app, &found, progress).await;
                    return Err(ReleaseError::Rollout(why));
                }
            }
        }
        Ok(ready)
    }

    /// Why the first Deployment that is not ready is not.
    async fn overdue(&self, limit: Duration, progress: &Progress) -> ReleaseError {
        let late = self.tracked.iter().find(|tracked| tracked.rollout.verdict(&tracked.target) != Verdict::Ready);
        let Some(Tracked { name, target, rollout }) = late else {
            return ReleaseError::Rollout("watching the rollout ended".to_owned());
        };
        let why = match (rollout.refusal(target), rollout.obstacle(target)) {
            (Some(refusal), _) => refusal,
            (None, Some(found)) => pods::describe(&self.client, &self.app, &found, progress).await,
            (None, None) => rollout.remark(target),
        };
        ReleaseError::Rollout(format!("deployment/{name} was not ready within {} s: {why}", limit.as_secs()))
    }
}

/// The Deployment, and what has its pods' labels.
fn changes(client: &Client, app: &AppName, deployment: &Manifest) -> impl Stream<Item = Change> + use<> {
    let config = Config::default().timeout(WATCH_SECONDS);
    let itself = config.clone().fields(&format!("metadata.name={}", deployment.name()));
    let its = config.labels(&selector(deployment));
    stream::select_all([
        reports::<Deployment>(client, app, itself).map(Change::Deployment).boxed(),
        reports::<ReplicaSet>(client, app, its.clone()).map(Change::ReplicaSet).boxed(),
        reports::<Pod>(client, app, its).map(Change::Pod).boxed(),
    ])
}

/// A watch that resumes by itself. What interrupts it is no fault of the rollout: the deadline decides.
fn reports<K>(client: &Client, app: &AppName, config: Config) -> impl Stream<Item = Event<K>> + use<K>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + 'static,
{
    let objects: Api<K> = Api::namespaced(client.clone(), app.as_str());
    watcher(objects, config).default_backoff().filter_map(|event| {
        let event = event.inspect_err(|error| tracing::warn!(%error, "a watch was interrupted and resumes"));
        std::future::ready(event.ok())
    })
}

fn selector(deployment: &Manifest) -> String {
    let labels = deployment.object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let pairs = labels.into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    pairs.collect::<Vec<_>>().join(",")
}

fn target(applied: &[DynamicObject], name: &str) -> Target {
    let of_that_name = |object: &&DynamicObject| {
        object.types.as_ref().is_some_and(|types| is_deployment(&types.api_version, &types.kind))
            && object.metadata.name.as_deref() == Some(name)
    };
    let deployment = applied.iter().find(of_that_name);
    Target {
        name: name.to_owned(),
        uid: deployment.and_then(ResourceExt::uid).unwrap_or_default(),
        generation: deployment.and_then(|deployment| deployment.metadata.generation).unwrap_or_default(),
    }
}

fn is_deployment(api_version: &str, kind: &str) -> bool {
    kind == "Deployment" && api_version.starts_with("apps/")
}
