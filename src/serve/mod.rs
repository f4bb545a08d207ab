//! `slipway serve`: composes the service, runs its front doors and shuts them down.

mod backends;
mod composition;
mod convert;
mod error;
mod runtime;
mod shutdown;
mod templates;

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::cli::COMMIT;
use crate::config::ServeArgs;
use crate::http::{self, Readiness};
use crate::keys;
use crate::ssh::{self, CommandRunner};
use crate::telemetry::metrics;
use convert::ssh_settings;
use error::cannot;
use runtime::{listen, local_address};
use shutdown::{ShutdownTokens, drain, join_server, wait_for_signal};

pub use composition::{Composed, Prepared, prepare};
pub use convert::{rollout_times, stack_settings};
pub use error::ServeError;
pub use templates::read_templates;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs slipway until SIGTERM or SIGINT, and then until running deploys have finished.
///
/// # Errors
/// [`ServeError`] if slipway cannot start.
pub async fn serve(args: ServeArgs) -> Result<(), ServeError> {
    let program = std::env::current_exe().map_err(|e| cannot("find slipway's own program file")(&e))?;
    let (server, ssh) = (args.server.clone(), args.ssh.clone());
    let prepared = prepare(args, &program).await?;
    let http_listener = listen("--http-listen", server.http_listen).await?;
    let ssh_listener = listen("--ssh-listen", ssh.ssh_listen).await?;
    let (http_address, ssh_address) = (local_address(&http_listener)?, local_address(&ssh_listener)?);

    let shutdown = ShutdownTokens::default();
    let readiness = Readiness::default();
    let metrics = metrics::install(VERSION, COMMIT).map_err(|e| cannot("install the metrics recorder")(&e))?;
    let router = http::router(readiness.clone(), Some(metrics));
    let http_server = tokio::spawn(http::serve(http_listener, router, shutdown.http.clone()));

    let composed = prepared.compose(shutdown.deploys.clone()).await?;
    let public = ssh.ssh_public.clone().unwrap_or_else(|| format!("127.0.0.1:{}", ssh_address.port()));
    let host_key = keys::ensure_host_key(&composed.cluster, &server.namespace, &public).await;
    let host_key = host_key.map_err(|e| cannot("read or create the SSH host key")(&e))?;
    composed.spawn_background_tasks(&readiness, &shutdown.http);
    let tasks = TaskTracker::new();
    let commands = Arc::new(CommandRunner::new(Arc::clone(&composed.service)));
    let ssh_settings = ssh_settings(&ssh, host_key);
    let ssh_server =
        tokio::spawn(ssh::serve(ssh_listener, ssh_settings, commands, shutdown.connections.clone(), tasks.clone()));

    readiness.set_started();
    tracing::info!(ssh = %ssh_address, http = %http_address, version = VERSION, commit = COMMIT, "slipway is running");
    wait_for_signal().await?;
    readiness.set_draining();
    drain(&shutdown, &tasks, server.drain_timeout).await;
    shutdown.http.cancel();
    join_server("ssh", ssh_server).await;
    join_server("http", http_server).await;
    tracing::info!("slipway has stopped");
    Ok(())
}
