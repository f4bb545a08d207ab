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

use super::cache::KeyCache;
use super::error::KeysError;
use super::events::KeyEventRecorder;
use super::index::KeyIndex;
use super::parse::AuthorizedKey;
use super::plan::{UploadResult, plan_upload};
use super::watch::watch_config_maps;
use super::write::{apply_plan, refresh_index};
use crate::auth::{Identity, UploadGrant};

/// How long an upload waits for the uploads before it.
const UPLOAD_QUEUE_TIMEOUT: Duration = Duration::from_secs(30);

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
    pub fn start(client: Client, namespace: &str) -> Self {
        let api = Api::namespaced(client.clone(), namespace);
        let cache = Arc::new(KeyCache::new(Some(KeyEventRecorder::new(client, namespace))));
        let watch = AbortOnDropHandle::new(tokio::spawn(watch_config_maps(api.clone(), cache.clone())));
        Self { inner: Arc::new(Inner { api, cache, upload_lock: Mutex::default(), _watch: watch }) }
    }

    /// Whether all stored keys have been read once.
    pub fn is_synced(&self) -> bool {
        self.inner.cache.is_synced()
    }

    /// Waits until all stored keys have been read. Returns false after `limit`.
    pub async fn wait_synced(&self, limit: Duration) -> bool {
        self.inner.cache.wait_synced(limit).await
    }

    /// Finds the user of a key. The caller must have verified a signature of the key.
    pub fn identify(&self, key: &russh::keys::PublicKey) -> Option<Identity> {
        self.inner.cache.read(|index| index.identify(&key.fingerprint(HashAlg::Sha256)))
    }

    /// The number of distinct keys.
    pub fn len(&self) -> usize {
        self.inner.cache.read(KeyIndex::len)
    }

    /// Whether there is no key, so that nobody can log in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stores keys. They are valid at once in this gateway, and within moments in other gateways.
    ///
    /// # Errors
    /// [`KeysError`]; [`KeysError::KeyOwnedByOther`] refuses the whole upload.
    pub async fn add(&self, grant: &UploadGrant, keys: &[AuthorizedKey]) -> Result<UploadResult, KeysError> {
        let Inner { api, cache, upload_lock, .. } = &*self.inner;
        let _turn = timeout(UPLOAD_QUEUE_TIMEOUT, upload_lock.lock()).await.map_err(|_| KeysError::Contended)?;
        let (mut index, no_names) = (KeyIndex::default(), BTreeSet::new());
        let plan = if self.is_synced() {
            cache.read(|index| plan_upload(index, grant, keys, &no_names))?
        } else {
            refresh_index(&mut index, api).await?;
            plan_upload(&index, grant, keys, &no_names)?
        };
        let result = apply_plan(api, grant, keys, plan, index).await?;
        if !cache.wait_visible(grant, keys).await {
            tracing::warn!(user = %grant.user(), "keys were stored, but the watch has not reported them yet");
        }
        Ok(result)
    }
}
