//! Opens what the process needs at run time: the lock file, the data directory, the listeners and the key store.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use kube::Client;
use tokio::net::TcpListener;

use super::error::{ServeError, cannot, invalid_setting};
use crate::config::{ServerArgs, SshArgs};
use crate::git::Repositories;
use crate::k8s::EventPublisher;
use crate::keys::KeyStore;

const KEYS_SYNC_TIMEOUT: Duration = Duration::from_secs(60);

/// The file is locked until the value is dropped or the process ends, even if slipway is killed.
pub(super) fn lock_running_file(path: &Path) -> Result<File, ServeError> {
    let lock = || {
        let file = File::create(path)?;
        file.try_lock()?;
        Ok(file)
    };
    lock().map_err(|e: std::io::Error| invalid_setting("--running-file")(&e))
}

pub(super) async fn open_repositories(server: &ServerArgs, program: &Path) -> Result<Repositories, ServeError> {
    Repositories::open(&server.data_dir, program).await.map_err(|e| invalid_setting("--data-dir")(&e))
}

pub(super) async fn listen(flag: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|e| ServeError::InvalidSetting { flag, reason: format!("{address}: {e}") })
}

pub(super) fn local_address(listener: &TcpListener) -> Result<SocketAddr, ServeError> {
    listener.local_addr().map_err(|e| cannot("read the address of a listener")(&e))
}

pub(super) fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

pub(super) async fn start_key_store(
    client: &Client,
    server: &ServerArgs,
    ssh: &SshArgs,
    events: EventPublisher,
) -> Result<KeyStore, ServeError> {
    let store = KeyStore::start(client.clone(), &server.namespace, events);
    if !store.wait_synced(KEYS_SYNC_TIMEOUT).await {
        let reason = format!("the Kubernetes API did not list them within {} s", KEYS_SYNC_TIMEOUT.as_secs());
        return Err(ServeError::Startup { action: "read the keys", reason });
    }
    if let Some(dir) = &ssh.admin_keys {
        let admins = store.bootstrap_admins(dir).await.map_err(|e| invalid_setting("--admin-keys")(&e))?;
        tracing::info!(admins, "registered the admin keys");
    }
    if store.is_empty() {
        tracing::warn!(
            "no user can log in: there are no keys. Set --admin-keys, or run `slipway upload-key NAME --admin`"
        );
    }
    Ok(store)
}
