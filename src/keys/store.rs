//! The keys that are stored in the cluster, cached in memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use russh::keys::ssh_key::HashAlg;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::cache::{KeyCache, KeyView};
use super::error::KeysError;
use super::index::KeyIndex;
use super::parse::AuthorizedKey;
use super::plan::{UploadResult, plan_upload};
use super::report::ShardReporter;
use super::watch::watch_config_maps;
use super::write::{apply_plan, refresh_index};
use crate::auth::{Identity, UploadGrant};
use crate::domain::UserName;
use crate::k8s::{EventPublisher, WatchCache};

/// How long an upload waits for the uploads before it.
const UPLOAD_QUEUE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an upload waits until the watch reports its keys.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(3);

/// The key store. Clones share one watch, which ends with the last of them.
#[derive(Debug, Clone)]
pub struct KeyStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    api: Api<ConfigMap>,
    cache: Arc<KeyCache>,
    /// Serialises the uploads of this process, which would only conflict with each other.
    upload_lock: Mutex<()>,
    _watch: AbortOnDropHandle<()>,
}

impl KeyStore {
    /// Starts the watch. [`Self::identify`] finds no key before the store [is synced](Self::is_synced). The API server
    /// need not be reachable yet.
    pub fn start(client: Client, namespace: &str, events: EventPublisher) -> Self {
        let api = Api::namespaced(client, namespace);
        let cache = Arc::new(KeyCache::new(KeyView::default()));
        let reporter = ShardReporter { events, namespace: namespace.to_owned() };
        let watch = AbortOnDropHandle::new(tokio::spawn(watch_config_maps(api.clone(), cache.clone(), reporter)));
        Self { inner: Arc::new(Inner { api, cache, upload_lock: Mutex::default(), _watch: watch }) }
    }

    /// Whether all stored keys have been read once.
    pub fn is_synced(&self) -> bool {
        self.inner.cache.read(WatchCache::is_synced)
    }

    /// Waits until all stored keys have been read. Returns false after `limit`.
    pub async fn wait_synced(&self, limit: Duration) -> bool {
        self.inner.cache.wait_until(WatchCache::is_synced, limit).await
    }

    /// Finds the user of a key. The caller must have verified a signature of the key.
    pub fn identify(&self, key: &russh::keys::PublicKey) -> Option<Identity> {
        self.read(|index| index.identify(&key.fingerprint(HashAlg::Sha256)))
    }

    /// The number of distinct keys.
    pub fn len(&self) -> usize {
        self.read(KeyIndex::len)
    }

    /// Whether the user has a key.
    pub fn has_key_of(&self, user: &UserName) -> bool {
        self.read(|index| index.count_keys_of(user) > 0)
    }

    fn read<T>(&self, query: impl FnOnce(&KeyIndex) -> T) -> T {
        self.inner.cache.read(|cache| query(cache.view().index()))
    }

    /// Whether there is no key, so that every login fails.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stores keys. They are valid at once in this gateway, and within moments in other gateways.
    ///
    /// # Errors
    /// [`KeysError`]; [`KeysError::KeyOwnedByOther`] refuses the whole upload.
    pub async fn add(&self, grant: &UploadGrant, keys: &[AuthorizedKey]) -> Result<UploadResult, KeysError> {
        let Inner { api, upload_lock, .. } = &*self.inner;
        let _turn = timeout(UPLOAD_QUEUE_TIMEOUT, upload_lock.lock()).await.map_err(|_| KeysError::Contended)?;
        let (mut index, no_names) = (KeyIndex::default(), BTreeSet::new());
        let plan = if self.is_synced() {
            self.read(|index| plan_upload(index, grant, keys, &no_names))?
        } else {
            refresh_index(&mut index, api).await?;
            plan_upload(&index, grant, keys, &no_names)?
        };
        let result = apply_plan(api, grant, keys, plan, index).await?;
        if !self.wait_visible(grant, keys).await {
            tracing::warn!(user = %grant.user(), "keys were stored, but the watch has not reported them yet");
        }
        Ok(result)
    }

    /// Waits until the index contains these keys. Returns false after [`VISIBILITY_TIMEOUT`].
    async fn wait_visible(&self, grant: &UploadGrant, keys: &[AuthorizedKey]) -> bool {
        let has_all =
            |index: &KeyIndex| keys.iter().all(|key| index.has_key(&key.fingerprint(), grant.user(), grant.role()));
        self.inner.cache.wait_until(|cache| has_all(cache.view().index()), VISIBILITY_TIMEOUT).await
    }
}
