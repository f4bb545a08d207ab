//! Where slipway runs: its directory, its ports, the keys in its namespace.

use std::path::Path;
use std::time::Duration;

use kube::Client;
use tokio::net::TcpListener;

use super::{ServeError, setting, start};
use crate::config::{PlaceArgs, SshArgs};
use crate::git::Repositories;
use crate::keys::KeyStore;

/// How long the first list of keys may take before the gateway gives up.
const KEYS_SYNC: Duration = Duration::from_secs(60);

/// Locked until the value ends, also if slipway is killed.
pub(super) fn lock_running_file(path: &Path) -> Result<std::fs::File, ServeError> {
    let lock = || {
        let file = std::fs::File::create(path)?;
        file.try_lock()?;
        Ok(file)
    };
    lock().map_err(|e: std::io::Error| setting("--running-file")(&e))
}

pub(super) async fn open_repositories(place: &PlaceArgs) -> Result<Repositories, ServeError> {
    let program = std::env::current_exe().map_err(|e| start("finding the program itself")(&e))?;
    Repositories::open(&place.data_dir, &program).await.map_err(|e| setting("--data-dir")(&e))
}

pub(super) async fn listen(flag: &'static str, address: std::net::SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|e| ServeError::Setting { flag, reason: format!("{address}: {e}") })
}

pub(super) fn address(listener: &TcpListener) -> Result<std::net::SocketAddr, ServeError> {
    listener.local_addr().map_err(|e| start("reading an own address")(&e))
}

pub(super) fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

pub(super) async fn start_keys(cluster: &Client, place: &PlaceArgs, ssh: &SshArgs) -> Result<KeyStore, ServeError> {
    let store = KeyStore::start(cluster.clone(), &place.namespace);
    if !store.wait_synced(KEYS_SYNC).await {
        let reason = format!("the cluster did not list them within {} s", KEYS_SYNC.as_secs());
        return Err(ServeError::Start { what: "reading keys", reason });
    }
    if let Some(dir) = &ssh.admin_keys {
        let admins = store.seed_admins(dir).await.map_err(|e| setting("--admin-keys")(&e))?;
        tracing::info!(admins, "admin keys read");
    }
    if store.is_empty() {
        tracing::warn!(
            "no key is known, so nobody can log in: set --admin-keys, or run `slipway upload-key NAME --admin`"
        );
    }
    Ok(store)
}
