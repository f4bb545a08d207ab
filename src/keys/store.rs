//! The keys that are stored in the cluster, kept in memory by a watch.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use backon::ExponentialBuilder;
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::{self, Event, ExponentialBackoff};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Client};
use metrics::{counter, gauge};
use russh::keys::ssh_key::HashAlg;
use tokio::sync::{Mutex, watch};
use tokio_util::task::AbortOnDropHandle;

use super::error::KeysError;
use super::grant::{Identity, UploadGrant};
use super::index::Index;
use super::parse::AuthorizedKey;
use super::plan::{Added, plan};
use super::shard::{Shard, selector};
use super::write::{carry_out, refresh};
use crate::domain::metric;

/// How long a watch lasts, in seconds, before it is opened anew. A connection that died unnoticed
/// hides changes for as long.
const WATCH_SECONDS: u32 = 30;
/// How long an upload waits for those before it.
const TURN_WITHIN: Duration = Duration::from_secs(30);
/// How long an upload waits until its keys count here.
const SHOWN_WITHIN: Duration = Duration::from_secs(3);

/// The keys. Clones share one watch, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct KeyStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    api: Api<ConfigMap>,
    seen: Arc<Seen>,
    /// Held while storing: writers of one process would only make each other's writes stale.
    writing: Mutex<()>,
    _watch: AbortOnDropHandle<()>,
}

/// What the watch has shown.
#[derive(Debug)]
struct Seen {
    index: RwLock<Index>,
    /// Whether the first list is complete; marked as changed with every event.
    synced: watch::Sender<bool>,
}

impl KeyStore {
    /// Begins to watch. Nobody is known until [`Self::is_synced`]; the cluster need not be
    /// reachable yet.
    pub fn start(client: Client, namespace: &str) -> Self {
        let api = Api::namespaced(client, namespace);
        let seen = Arc::new(Seen { index: RwLock::default(), synced: watch::Sender::new(false) });
        let task = tokio::spawn(follow(api.clone(), seen.clone()));
        Self { inner: Arc::new(Inner { api, seen, writing: Mutex::default(), _watch: AbortOnDropHandle::new(task) }) }
    }

    /// Whether all stored keys were read once.
    pub fn is_synced(&self) -> bool {
        *self.inner.seen.synced.borrow()
    }

    /// Waits until all stored keys were read. False if that takes longer than `limit`.
    pub async fn wait_synced(&self, limit: Duration) -> bool {
        let mut synced = self.inner.seen.synced.subscribe();
        tokio::time::timeout(limit, synced.wait_for(|synced| *synced)).await.is_ok_and(|result| result.is_ok())
    }

    /// Whose key it is. To be asked with a key that was proven by a signature.
    pub fn identify(&self, key: &russh::keys::PublicKey) -> Option<Identity> {
        self.inner.seen.read(|index| index.identify(&key.fingerprint(HashAlg::Sha256)))
    }

    /// How many keys are known.
    pub fn len(&self) -> usize {
        self.inner.seen.read(Index::len)
    }

    /// Whether no key is known, so that nobody can log in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stores keys; they count at once here, and within moments at other gateways.
    ///
    /// # Errors
    /// [`KeysError`]; a key that belongs to somebody else is refused, and with it the upload.
    pub async fn add(&self, grant: &UploadGrant, keys: &[AuthorizedKey]) -> Result<Added, KeysError> {
        let Inner { api, seen, writing, .. } = &*self.inner;
        let _turn = tokio::time::timeout(TURN_WITHIN, writing.lock()).await.map_err(|_| KeysError::Contended)?;
        let (mut index, nothing) = (Index::default(), BTreeSet::new());
        let first = if self.is_synced() {
            seen.read(|index| plan(index, grant, keys, &nothing))?
        } else {
            refresh(&mut index, api).await?;
            plan(&index, grant, keys, &nothing)?
        };
        let added = carry_out(api, grant, keys, first, index).await?;
        if !seen.shows(grant, keys).await {
            tracing::warn!(user = %grant.user(), "keys were stored, but the watch has not shown them yet");
        }
        Ok(added)
    }
}

impl Seen {
    fn read<T>(&self, question: impl FnOnce(&Index) -> T) -> T {
        question(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        let result = change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner));
        gauge!(metric::KEYS).set(self.read(Index::len) as f64);
        self.synced.send_modify(|_| {});
        result
    }

    /// Waits until these keys are known, for a bounded time.
    async fn shows(&self, grant: &UploadGrant, keys: &[AuthorizedKey]) -> bool {
        let known = |index: &Index| keys.iter().all(|key| index.has(&key.fingerprint(), grant.user(), grant.role()));
        let mut changes = self.synced.subscribe();
        let shown = changes.wait_for(|_| self.read(known));
        tokio::time::timeout(SHOWN_WITHIN, shown).await.is_ok_and(|result| result.is_ok())
    }
}

/// Follows the ConfigMaps for ever. While the cluster can't be reached, what is known stays.
async fn follow(api: Api<ConfigMap>, seen: Arc<Seen>) {
    let settings = watcher::Config::default().labels(&selector()).timeout(WATCH_SECONDS);
    let backoff = ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times();
    let mut events = watch_objects(api, settings).backoff(ExponentialBackoff::from(backoff)).boxed();
    let mut listed = BTreeSet::new();
    let mut failing = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("the keys in the cluster are watched again");
                }
                take(&seen, event, &mut listed);
            }
            Err(error) => {
                counter!(metric::WATCH_RESTARTS_TOTAL, "watch" => "keys").increment(1);
                let error: &dyn std::error::Error = &error;
                if std::mem::replace(&mut failing, true) {
                    tracing::debug!(error, "the keys in the cluster still can't be watched");
                } else {
                    tracing::warn!(error, "the keys in the cluster can't be watched; those that are known stay valid");
                }
            }
        }
    }
}

/// `listed` are the ConfigMaps that a list in progress has named.
fn take(seen: &Seen, event: Event<ConfigMap>, listed: &mut BTreeSet<String>) {
    match event {
        Event::Init => listed.clear(),
        Event::InitApply(map) => listed.extend(apply(seen, map)),
        Event::Apply(map) => {
            apply(seen, map);
        }
        Event::Delete(map) => {
            let name = map.metadata.name.unwrap_or_default();
            tracing::info!(configmap = name, "a ConfigMap of keys is gone");
            seen.change(|index| index.remove(&name));
        }
        Event::InitDone => {
            seen.change(|index| index.retain(listed));
            seen.synced.send_replace(true);
        }
    }
}

/// The ConfigMap's name.
fn apply(seen: &Seen, map: ConfigMap) -> Option<String> {
    let (name, shard) = Shard::from_config_map(map)?;
    for flaw in seen.change(|index| index.apply(&name, shard)) {
        tracing::warn!(configmap = name, "{flaw}");
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::ObjectMeta;

    use super::super::testing::key;
    use super::*;
    use crate::domain::labels;

    fn config_map(name: &str, user: &str, number: usize) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.into()),
                labels: Some([(labels::KEYS.to_owned(), "users".to_owned())].into()),
                ..ObjectMeta::default()
            },
            data: Some([(user.to_owned(), key(number).line().to_owned())].into()),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn a_new_list_replaces_what_was_known_only_when_it_is_complete() {
        let seen = Seen { index: RwLock::default(), synced: watch::Sender::new(false) };
        let mut listed = BTreeSet::new();
        let mut give = |events: Vec<Event<ConfigMap>>| {
            events.into_iter().for_each(|event| take(&seen, event, &mut listed));
            let known = |number| seen.read(|index| index.identify(&key(number).fingerprint()).is_some());
            (known(1), known(2), *seen.synced.borrow())
        };
        let first = config_map("slipway-keys-0", "alice", 1);
        let second = config_map("slipway-keys-1", "bob", 2);
        assert_eq!(give(vec![Event::Init, Event::InitApply(first.clone())]), (true, false, false));
        assert_eq!(give(vec![Event::InitDone, Event::Apply(second.clone())]), (true, true, true));
        assert_eq!(give(vec![Event::Init, Event::InitApply(second)]), (true, true, true));
        assert_eq!(give(vec![Event::InitDone]), (false, true, true));
        assert_eq!(give(vec![Event::Apply(first.clone()), Event::Delete(first)]), (false, true, true));
    }
}
