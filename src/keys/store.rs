//! The keys that are stored in the cluster, kept in memory by a watch.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use russh::keys::ssh_key::HashAlg;
use tokio::sync::{Mutex, watch};
use tokio_util::task::AbortOnDropHandle;

use super::error::KeysError;
use super::follow::follow;
use super::grant::{Identity, UploadGrant};
use super::index::Index;
use super::news::News;
use super::parse::AuthorizedKey;
use super::plan::{Added, plan};
use super::write::{carry_out, refresh};

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
pub(super) struct Seen {
    index: RwLock<Index>,
    /// Whether the first list is complete; marked as changed with every event.
    synced: watch::Sender<bool>,
    /// Who is told what is broken, beside the log.
    news: Option<News>,
}

impl KeyStore {
    /// Begins to watch. Nobody is known until [`Self::is_synced`]; the cluster need not be
    /// reachable yet.
    pub fn start(client: Client, namespace: &str) -> Self {
        let api = Api::namespaced(client.clone(), namespace);
        let seen = Arc::new(Seen::new(Some(News::new(client, namespace))));
        let task = tokio::spawn(follow(api.clone(), seen.clone()));
        Self { inner: Arc::new(Inner { api, seen, writing: Mutex::default(), _watch: AbortOnDropHandle::new(task) }) }
    }

    /// Whether all stored keys were read once.
    pub fn is_synced(&self) -> bool {
        self.inner.seen.is_complete()
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
    /// Nothing yet.
    pub(super) fn new(news: Option<News>) -> Self {
        Self { index: RwLock::default(), synced: watch::Sender::new(false), news }
    }

    /// A ConfigMap is broken.
    pub(super) fn tell(&self, map: &str, flaws: &str) {
        if let Some(news) = &self.news {
            news.broken(map, flaws);
        }
    }

    /// Whether the first list is complete.
    pub(super) fn is_complete(&self) -> bool {
        *self.synced.borrow()
    }

    /// The first list is complete.
    pub(super) fn complete(&self) {
        self.synced.send_replace(true);
    }

    pub(super) fn read<T>(&self, question: impl FnOnce(&Index) -> T) -> T {
        question(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        let result = change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner));
        self.read(Index::census).show();
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
