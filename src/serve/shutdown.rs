//! Shuts slipway down: running deploys may finish, within a time limit.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::error::{ServeError, cannot};

/// Cancelled in this order: new connections first, then deploys that outlast the drain, and health checks last.
#[derive(Default)]
pub(super) struct ShutdownTokens {
    pub(super) connections: CancellationToken,
    pub(super) deploys: CancellationToken,
    pub(super) http: CancellationToken,
}

/// How long cancelled deploys and the servers may take to clean up.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Accepts no new connections and waits until running commands finish. After `limit`, cancels the deploys that can still be
/// cancelled. The next start recovers releases that were interrupted during their apply.
pub(super) async fn drain(shutdown: &ShutdownTokens, tasks: &TaskTracker, limit: Duration) {
    shutdown.connections.cancel();
    tasks.close();
    tracing::info!(running = tasks.len(), "waiting for running commands to finish");
    if tokio::time::timeout(limit, tasks.wait()).await.is_ok() {
        return;
    }
    tracing::warn!(running = tasks.len(), "cancelling the commands that did not finish within the drain timeout");
    shutdown.deploys.cancel();
    if tokio::time::timeout(CLEANUP_TIMEOUT, tasks.wait()).await.is_err() {
        tracing::error!(running = tasks.len(), "commands were interrupted; the next start recovers their releases");
    }
}

pub(super) async fn join_server(server: &'static str, task: JoinHandle<()>) {
    match tokio::time::timeout(CLEANUP_TIMEOUT, task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(server, %error, "a server failed"),
        Err(_) => tracing::error!(server, "a server did not stop in time"),
    }
}

pub(super) async fn wait_for_signal() -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| cannot("listen for SIGTERM")(&e))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| cannot("listen for SIGINT")(&e))?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("received SIGTERM"),
        _ = interrupt.recv() => tracing::info!("received SIGINT"),
    }
    Ok(())
}
