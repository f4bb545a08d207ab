//! The end of slipway: what runs may finish, and not for ever.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{ServeError, start};

/// What ends in turn: first new connections, then deploys that outlast the drain, then health checks.
#[derive(Default)]
pub(super) struct Stop {
    pub connections: CancellationToken,
    pub deploys: CancellationToken,
    pub http: CancellationToken,
}

/// How long cancelled deploys may take to clean up behind themselves.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// Lets running pushes finish, for at most `limit`; those that can be cancelled then are. One whose
/// apply has begun and does not finish is healed at the next start.
pub(super) async fn drain(stop: &Stop, tasks: &TaskTracker, limit: Duration) {
    stop.connections.cancel();
    tasks.close();
    tracing::info!(running = tasks.len(), "draining");
    if tokio::time::timeout(limit, tasks.wait()).await.is_ok() {
        return;
    }
    tracing::warn!(running = tasks.len(), "cancelling what outlasted the drain");
    stop.deploys.cancel();
    if tokio::time::timeout(CLEAN_UP, tasks.wait()).await.is_err() {
        tracing::error!(running = tasks.len(), "what still ran was cut off; a deploy is healed at the next start");
    }
}

pub(super) async fn server_ended(server: &'static str, task: JoinHandle<()>) {
    match tokio::time::timeout(CLEAN_UP, task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(server, %error, "a server ended in disorder"),
        Err(_) => tracing::error!(server, "a server did not end in time"),
    }
}

pub(super) async fn wait_for_signal() -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| start("listening for SIGTERM")(&e))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| start("listening for SIGINT")(&e))?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        _ = interrupt.recv() => tracing::info!("SIGINT"),
    }
    Ok(())
}
