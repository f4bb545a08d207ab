//! A watcher of one app that is independent of slipway: it observes when the Deployment changed and when a new pod was ready.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures_util::{StreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::task::JoinHandle;

const OBSERVATION_TIMEOUT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(1);

#[derive(Debug, Clone)]
struct Observation {
    at: Instant,
    kind: ObservationKind,
}

#[derive(Debug, Clone)]
enum ObservationKind {
    /// The Deployment's generation.
    Generation(i64),
    /// A pod's uid, and whether the pod is ready.
    Pod(String, bool),
}

/// Watches a namespace until the value is dropped.
pub struct ClusterWatcher {
    observations: Arc<Mutex<Vec<Observation>>>,
    task: JoinHandle<()>,
}

/// A point in time that separates a change from earlier ones.
pub struct Checkpoint {
    generation: i64,
    ready: Vec<String>,
    observed: usize,
}

impl ClusterWatcher {
    pub fn start(client: &Client, namespace: &str) -> Self {
        let observations = Arc::new(Mutex::new(Vec::new()));
        let pods = watcher(Api::<Pod>::namespaced(client.clone(), namespace), Config::default());
        let pods = pods.default_backoff().filter_map(|event| async { observed_kind(event.ok()?, pod_kind) });
        let deployments = watcher(Api::<Deployment>::namespaced(client.clone(), namespace), Config::default());
        let deployments =
            deployments.default_backoff().filter_map(|event| async { observed_kind(event.ok()?, deployment_kind) });
        let (log, mut all) = (Arc::clone(&observations), stream::select(pods.boxed(), deployments.boxed()));
        let task = tokio::spawn(async move {
            while let Some(kind) = all.next().await {
                log.lock().unwrap_or_else(PoisonError::into_inner).push(Observation { at: Instant::now(), kind });
            }
        });
        Self { observations, task }
    }

    /// Separates changes that are made from now on from earlier ones.
    pub fn checkpoint(&self) -> Checkpoint {
        let observations = self.observations.lock().unwrap_or_else(PoisonError::into_inner);
        let generations = observations.iter().filter_map(|observation| match observation.kind {
            ObservationKind::Generation(generation) => Some(generation),
            ObservationKind::Pod(..) => None,
        });
        let ready = observations.iter().filter_map(|observation| match &observation.kind {
            ObservationKind::Pod(uid, true) => Some(uid.clone()),
            _ => None,
        });
        Checkpoint {
            generation: generations.max().unwrap_or_default(),
            ready: ready.collect(),
            observed: observations.len(),
        }
    }

    /// Waits until the Deployment has changed after the checkpoint, and returns when it did.
    pub async fn wait_changed(&self, since: &Checkpoint) -> Result<Instant> {
        let is_newer = |kind: &ObservationKind| matches!(kind, ObservationKind::Generation(generation) if *generation > since.generation);
        self.wait_for(since, is_newer, "a change of the Deployment").await
    }

    /// Waits until a pod is ready that was not ready before the checkpoint, and returns when it was.
    pub async fn wait_ready(&self, since: &Checkpoint) -> Result<Instant> {
        let is_new =
            |kind: &ObservationKind| matches!(kind, ObservationKind::Pod(uid, true) if !since.ready.contains(uid));
        self.wait_for(since, is_new, "a new pod that is ready").await
    }

    async fn wait_for(
        &self,
        since: &Checkpoint,
        matches: impl Fn(&ObservationKind) -> bool,
        what: &str,
    ) -> Result<Instant> {
        let find = || {
            let observations = self.observations.lock().unwrap_or_else(PoisonError::into_inner);
            let mut later = observations.iter().skip(since.observed);
            later.find(|observation| matches(&observation.kind)).map(|observation| observation.at)
        };
        let began = Instant::now();
        while began.elapsed() < OBSERVATION_TIMEOUT {
            if let Some(at) = find() {
                return Ok(at);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        bail!("the watcher did not observe {what} within {OBSERVATION_TIMEOUT:?}")
    }
}

impl Drop for ClusterWatcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn observed_kind<K>(event: Event<K>, read: impl Fn(&K) -> ObservationKind) -> Option<ObservationKind> {
    match event {
        Event::Apply(object) | Event::InitApply(object) => Some(read(&object)),
        Event::Init | Event::InitDone | Event::Delete(_) => None,
    }
}

fn deployment_kind(deployment: &Deployment) -> ObservationKind {
    ObservationKind::Generation(deployment.metadata.generation.unwrap_or_default())
}

fn pod_kind(pod: &Pod) -> ObservationKind {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ObservationKind::Pod(pod.uid().unwrap_or_default(), ready)
}
