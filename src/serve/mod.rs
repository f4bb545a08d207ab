//! `slipway serve`: constructs the parts, joins them, drains them.

mod end;
mod outside;
mod place;
mod settings;

use std::path::Path;
use std::sync::Arc;

use kube::Client;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::api::{self, Health};
use crate::apps::{Apps, Reach};
use crate::chart::Templates;
use crate::cli::COMMIT;
use crate::config::{PushArgs, ServeArgs};
use crate::deploy::Deployer;
use crate::git::{Repositories, ServiceSettings};
use crate::keys::KeyStore;
use crate::release::lock::Gateway;
use crate::self_check::check_rights;
use crate::ssh::{FrontDoor, Occupancy};
use crate::telemetry::metrics;
use crate::{clusters, keys, ssh};
use end::{Stop, drain, server_ended, wait_for_signal};
use outside::{connect_engine, connect_registry};
use place::{address, host_name, listen, lock_running_file, open_repositories, start_keys};
use settings::{check_admin_keys, deploy_settings, reach, ssh_settings};

/// Why the gateway did not start, or ended in disorder.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A setting is wrong: the flag is named, and the exit code is 2.
    #[error("{flag}: {reason}")]
    Setting {
        /// The flag.
        flag: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Something the gateway needs is not there.
    #[error("{what}: {reason}")]
    Start {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        reason: String,
    },
}

impl ServeError {
    /// 2 for a wrong setting, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Setting { .. } => 2,
            Self::Start { .. } => 1,
        }
    }
}

fn setting(flag: &'static str) -> impl Fn(&dyn std::error::Error) -> ServeError {
    move |error| ServeError::Setting { flag, reason: crate::telemetry::chain(error) }
}

fn start(what: &'static str) -> impl Fn(&dyn std::error::Error) -> ServeError {
    move |error| ServeError::Start { what, reason: crate::telemetry::chain(error) }
}

/// Runs the gateway until SIGTERM or SIGINT, then drains it.
///
/// # Errors
/// [`ServeError`] when it cannot start.
pub async fn serve(args: ServeArgs) -> Result<(), ServeError> {
    let ServeArgs { place, ssh, push, build, registry, release } = args;
    let templates = read_templates(release.templates.as_deref())?;
    let engine = connect_engine(&build)?;
    let registry = connect_registry(registry).await?;
    check_admin_keys(ssh.admin_keys.as_deref())?;
    let reach = reach(&place)?;
    let _running = place.running_file.as_deref().map(lock_running_file).transpose()?;
    let repositories = open_repositories(&place).await?;
    let http_listener = listen("--http-listen", place.http_listen).await?;
    let ssh_listener = listen("--ssh-listen", ssh.ssh_listen).await?;
    let (http_address, ssh_address) = (address(&http_listener)?, address(&ssh_listener)?);

    let stop = Stop::default();
    let health = Health::default();
    let metrics = metrics::install(env!("CARGO_PKG_VERSION"), COMMIT).map_err(|e| start("keeping metrics")(&e))?;
    let router = api::router(health.clone(), Some(metrics));
    let http = tokio::spawn(api::serve(http_listener, router, stop.http.clone()));

    let (cluster, pulse) = clusters::connect().await.map_err(|e| start("connecting to the cluster")(&e))?;
    let checked = check_rights(&cluster, &place.namespace, &reach).await;
    checked.map_err(|e| start("having its rights in the cluster")(&e))?;
    if !matches!(reach, Reach::Listed(_)) {
        let namespaced = clusters::ensure_namespace(&cluster, &place.namespace).await;
        namespaced.map_err(|e| start("making slipway's namespace")(&e))?;
    }
    let keys = start_keys(&cluster, &place, &ssh).await?;
    let public = ssh.ssh_public.clone().unwrap_or_else(|| format!("127.0.0.1:{}", ssh_address.port()));
    let host_key = keys::host_key(&cluster, &place.namespace, &public).await.map_err(|e| start("the host key")(&e))?;

    let identity = place.identity.unwrap_or_else(host_name);
    let deployer = Arc::new(Deployer {
        cluster: cluster.clone(),
        gateway: Gateway { identity, instance: Uuid::new_v4() },
        engine,
        registry,
        apps: Apps::new(cluster.clone(), reach, &place.namespace),
        templates,
        settings: deploy_settings(&push, &build, release),
        stop: stop.deploys.clone(),
    });
    let tasks = TaskTracker::new();
    tokio::spawn(Arc::clone(&deployer).heal_interrupted());
    let apps = deployer.apps.clone();
    tokio::spawn(async move { apps.follow().await });
    if let Some(collection) = deployer.registry.collection().cloned() {
        let stop = stop.http.clone();
        tokio::spawn(async move { collection.run(&stop).await });
    }
    tokio::spawn(Arc::clone(&deployer).look_whether_engine_reaches_registry());
    let reporting = health.clone();
    tokio::spawn(Arc::clone(&deployer).watch_dependencies(pulse, move |away| reporting.set_away(away)));
    tokio::spawn(Arc::clone(&deployer).follow_registry_password());
    let front = front_door(cluster, place.namespace, keys, repositories, deployer, &push);
    let server = ssh::serve(ssh_listener, ssh_settings(&ssh, host_key), front, stop.connections.clone(), tasks.clone());
    let server = tokio::spawn(server);

    health.set_started();
    tracing::info!(ssh = %ssh_address, http = %http_address, version = env!("CARGO_PKG_VERSION"), commit = COMMIT, "slipway is running");
    wait_for_signal().await?;
    health.set_draining();
    drain(&stop, &tasks, place.drain_timeout).await;
    stop.http.cancel();
    server_ended("ssh", server).await;
    server_ended("http", http).await;
    tracing::info!("slipway has ended");
    Ok(())
}

/// The templates that an operator gave, or those that are compiled in.
///
/// # Errors
/// [`ServeError::Setting`] if they cannot be used.
pub fn read_templates(dir: Option<&Path>) -> Result<Templates, ServeError> {
    let templates = match dir {
        Some(dir) => Templates::from_dir(dir),
        None => Templates::embedded(),
    };
    templates.map_err(|error| ServeError::Setting { flag: "--templates", reason: error.report() })
}

fn front_door(
    cluster: Client,
    namespace: String,
    keys: KeyStore,
    repositories: Repositories,
    deployer: Arc<Deployer>,
    push: &PushArgs,
) -> Arc<FrontDoor> {
    Arc::new(FrontDoor {
        cluster,
        namespace,
        keys,
        repositories,
        deployer,
        creation: push.app_creation,
        git: ServiceSettings { max_pack: push.max_pack.as_u64(), deny_force: push.deny_force },
        occupancy: Occupancy::default(),
    })
}
