//! `slipway serve`: constructs the modules, runs the servers and shuts them down.

mod backends;
mod convert;
mod error;
mod runtime;
mod shutdown;

use std::path::Path;
use std::sync::Arc;

use kube::Client;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::apps::{Apps, NamespaceScope};
use crate::chart::Templates;
use crate::cli::COMMIT;
use crate::config::{PushArgs, ServeArgs};
use crate::deploy::Deployer;
use crate::git::{Repositories, ServiceSettings};
use crate::http::{self, Readiness};
use crate::k8s::EventPublisher;
use crate::keys::KeyStore;
use crate::rbac_check::check_permissions;
use crate::release::lock::ProcessIdentity;
use crate::ssh::{CommandService, RepositoryLocks};
use crate::telemetry::metrics;
use crate::{k8s, keys, ssh};
use backends::{connect_engine, connect_registry};
use convert::{check_admin_keys, deploy_settings, namespace_scope, ssh_settings};
use error::cannot;
use runtime::{host_name, listen, local_address, lock_running_file, open_repositories, start_key_store};
use shutdown::{ShutdownTokens, drain, join_server, wait_for_signal};

pub use error::ServeError;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs slipway until SIGTERM or SIGINT, and then until running deploys have finished.
///
/// # Errors
/// [`ServeError`] if slipway cannot start.
pub async fn serve(args: ServeArgs) -> Result<(), ServeError> {
    let ServeArgs { server, ssh, push, build, registry, release } = args;
    let templates = read_templates(release.templates.as_deref())?;
    let engine = connect_engine(&build)?;
    let registry = connect_registry(registry).await?;
    check_admin_keys(ssh.admin_keys.as_deref())?;
    let scope = namespace_scope(&server)?;
    let _running_lock = server.running_file.as_deref().map(lock_running_file).transpose()?;
    let repositories = open_repositories(&server).await?;
    let http_listener = listen("--http-listen", server.http_listen).await?;
    let ssh_listener = listen("--ssh-listen", ssh.ssh_listen).await?;
    let (http_address, ssh_address) = (local_address(&http_listener)?, local_address(&ssh_listener)?);

    let shutdown = ShutdownTokens::default();
    let readiness = Readiness::default();
    let metrics = metrics::install(VERSION, COMMIT).map_err(|e| cannot("install the metrics recorder")(&e))?;
    let router = http::router(readiness.clone(), Some(metrics));
    let http_server = tokio::spawn(http::serve(http_listener, router, shutdown.http.clone()));

    let connected = k8s::client_from_env().await;
    let (client, api_health) = connected.map_err(|e| cannot("configure the Kubernetes client")(&e))?;
    let permitted = check_permissions(&client, &server.namespace, &scope).await;
    permitted.map_err(|e| cannot("start")(&e))?;
    if !matches!(scope, NamespaceScope::AllowList(_)) {
        let namespaced = k8s::ensure_namespace(&client, &server.namespace).await;
        namespaced.map_err(|e| cannot("create slipway's own namespace")(&e))?;
    }
    let identity = server.identity.clone().unwrap_or_else(host_name);
    let events = EventPublisher::new(client.clone(), &identity);
    let key_store = start_key_store(&client, &server, &ssh, events.clone()).await?;
    let public = ssh.ssh_public.clone().unwrap_or_else(|| format!("127.0.0.1:{}", ssh_address.port()));
    let host_key = keys::ensure_host_key(&client, &server.namespace, &public).await;
    let host_key = host_key.map_err(|e| cannot("read or create the SSH host key")(&e))?;

    let deployer = Arc::new(Deployer {
        cluster: client.clone(),
        events,
        gateway: ProcessIdentity { identity, instance: Uuid::new_v4() },
        engine,
        registry,
        apps: Apps::new(client.clone(), scope, &server.namespace),
        templates,
        settings: deploy_settings(&push, &build, release),
        stop: shutdown.deploys.clone(),
    });
    let tasks = TaskTracker::new();
    tokio::spawn(Arc::clone(&deployer).recover_interrupted());
    let apps = deployer.apps.clone();
    tokio::spawn(async move { apps.watch_namespaces().await });
    if let Some(collector) = deployer.registry.garbage_collector().cloned() {
        let stop = shutdown.http.clone();
        tokio::spawn(async move { collector.run(&stop).await });
    }
    tokio::spawn(Arc::clone(&deployer).report_engine_connectivity());
    let monitored = readiness.clone();
    let set_unavailable = move |unavailable| monitored.set_unavailable(unavailable);
    tokio::spawn(Arc::clone(&deployer).monitor_dependencies(api_health, set_unavailable));
    tokio::spawn(Arc::clone(&deployer).watch_registry_passwords());
    let commands = command_service(client, server.namespace, key_store, repositories, deployer, &push);
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

/// The templates in `dir`, or the built-in ones.
///
/// # Errors
/// [`ServeError::InvalidSetting`] if the templates cannot be read.
pub fn read_templates(dir: Option<&Path>) -> Result<Templates, ServeError> {
    let templates = match dir {
        Some(dir) => Templates::from_dir(dir),
        None => Templates::built_in(),
    };
    templates.map_err(|error| ServeError::InvalidSetting { flag: "--templates", reason: error.report() })
}

fn command_service(
    cluster: Client,
    namespace: String,
    keys: KeyStore,
    repositories: Repositories,
    deployer: Arc<Deployer>,
    push: &PushArgs,
) -> Arc<CommandService> {
    Arc::new(CommandService {
        cluster,
        namespace,
        keys,
        repositories,
        deployer,
        creation: push.app_creation,
        git: ServiceSettings { max_pack: push.max_pack.as_u64(), deny_force: push.deny_force },
        repository_locks: RepositoryLocks::default(),
    })
}
