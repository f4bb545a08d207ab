//! An independent watcher of one app: when the cluster took a change, and when the new pod was ready.

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

/// How long something may be waited for.
const LIMIT: Duration = Duration::from_secs(120);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(1);

/// Something that a watch reported, and when.
#[derive(Debug, Clone)]
struct News {
    at: Instant,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// The Deployment has this generation.
    Generation(i64),
    /// The pod of this uid is ready, or not.
    Pod(String, bool),
}

/// A watch of a namespace; it ends with the value.
pub struct Watching {
    news: Arc<Mutex<Vec<News>>>,
    task: JoinHandle<()>,
}

/// Where the news of one change begin.
pub struct Mark {
    generation: i64,
    ready: Vec<String>,
    length: usize,
}

impl Watching {
    /// Begins to watch.
    pub fn of(client: &Client, namespace: &str) -> Self {
        let news = Arc::new(Mutex::new(Vec::new()));
        let pods = watcher(Api::<Pod>::namespaced(client.clone(), namespace), Config::default());
        let pods = pods.default_backoff().filter_map(|event| async { seen(event.ok()?, pod) });
        let deployments = watcher(Api::<Deployment>::namespaced(client.clone(), namespace), Config::default());
        let deployments = deployments.default_backoff().filter_map(|event| async { seen(event.ok()?, deployment) });
        let (log, mut all) = (Arc::clone(&news), stream::select(pods.boxed(), deployments.boxed()));
        let task = tokio::spawn(async move {
            while let Some(what) = all.next().await {
                log.lock().unwrap_or_else(PoisonError::into_inner).push(News { at: Instant::now(), what });
            }
        });
        Self { news, task }
    }

    /// What is known now: a change that is made from here on is told from those before it.
    pub fn mark(&self) -> Mark {
        let news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let generations = news.iter().filter_map(|news| match news.what {
            What::Generation(generation) => Some(generation),
            What::Pod(..) => None,
        });
        let ready = news.iter().filter_map(|news| match &news.what {
            What::Pod(uid, true) => Some(uid.clone()),
            _ => None,
        });
        Mark { generation: generations.max().unwrap_or_default(), ready: ready.collect(), length: news.len() }
    }

    /// When the Deployment was changed.
    ///
    /// # Errors
    /// If it is not within two minutes.
    pub async fn changed(&self, mark: &Mark) -> Result<Instant> {
        let is_newer = |what: &What| matches!(what, What::Generation(generation) if *generation > mark.generation);
        self.first(mark, is_newer, "a change of the Deployment").await
    }

    /// When a pod that was not ready before became ready.
    ///
    /// # Errors
    /// If none does within two minutes.
    pub async fn ready(&self, mark: &Mark) -> Result<Instant> {
        let is_new = |what: &What| matches!(what, What::Pod(uid, true) if !mark.ready.contains(uid));
        self.first(mark, is_new, "a new pod that is ready").await
    }

    async fn first(&self, mark: &Mark, wanted: impl Fn(&What) -> bool, what: &str) -> Result<Instant> {
        let found = || {
            let news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
            news.iter().skip(mark.length).find(|news| wanted(&news.what)).map(|news| news.at)
        };
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            if let Some(at) = found() {
                return Ok(at);
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!("the watcher did not see {what} within {LIMIT:?}")
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn seen<K>(event: Event<K>, read: impl Fn(&K) -> What) -> Option<What> {
    match event {
        Event::Apply(object) | Event::InitApply(object) => Some(read(&object)),
        Event::Init | Event::InitDone | Event::Delete(_) => None,
    }
}

fn deployment(deployment: &Deployment) -> What {
    What::Generation(deployment.metadata.generation.unwrap_or_default())
}

fn pod(pod: &Pod) -> What {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    What::Pod(pod.uid().unwrap_or_default(), ready)
}
