//! `slipway serve`: constructs the parts, joins them, drains them.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::api::{self, Health};
use crate::apps::{AppRights, Apps, Reach};
use crate::chart::Templates;
use crate::cli::COMMIT;
use crate::config::{BuildArgs, PlaceArgs, PushArgs, ReleaseArgs, ServeArgs, SshArgs};
use crate::deploy::{DeploySettings, Deployer};
use crate::git::{Repositories, ServiceSettings};
use crate::keys::KeyStore;
use crate::release::lock::Gateway;
use crate::self_check::check_rights;
use crate::ssh::{FrontDoor, Occupancy, SshSettings};
use crate::telemetry::metrics;
use crate::{clusters, keys, ssh};
use outside::{connect_engine, connect_registry};

mod outside;

/// How long the first list of keys may take before the gateway gives up.
const KEYS_SYNC: Duration = Duration::from_secs(60);

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

    let cluster = clusters::connect().await.map_err(|e| start("connecting to the cluster")(&e))?;
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
    if let Some(collection) = deployer.registry.collection().cloned() {
        let stop = stop.http.clone();
        tokio::spawn(async move { collection.run(&stop).await });
    }
    tokio::spawn(Arc::clone(&deployer).look_whether_engine_reaches_registry());
    let reporting = health.clone();
    tokio::spawn(Arc::clone(&deployer).watch_dependencies(move |away| reporting.set_away(away)));
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

/// Which namespaces are apps'. slipway's own is none.
fn reach(place: &PlaceArgs) -> Result<Reach, ServeError> {
    if place.namespaces.iter().any(|listed| *listed.as_str() == *place.namespace) {
        let reason = format!("{} is slipway's own namespace", place.namespace);
        return Err(ServeError::Setting { flag: "--namespaces", reason });
    }
    Ok(match (place.app_role.clone().zip(place.service_account.clone()), place.namespaces.as_slice()) {
        (Some((role, account)), _) => Reach::Bound(AppRights { role, account }),
        (None, []) => Reach::Cluster,
        (None, listed) => Reach::Listed(listed.iter().cloned().collect()),
    })
}

/// Locked until the value ends, also if slipway is killed.
fn lock_running_file(path: &Path) -> Result<std::fs::File, ServeError> {
    let lock = || {
        let file = std::fs::File::create(path)?;
        file.try_lock()?;
        Ok(file)
    };
    lock().map_err(|e: std::io::Error| setting("--running-file")(&e))
}

async fn open_repositories(place: &PlaceArgs) -> Result<Repositories, ServeError> {
    let program = std::env::current_exe().map_err(|e| start("finding the program itself")(&e))?;
    Repositories::open(&place.data_dir, &program).await.map_err(|e| setting("--data-dir")(&e))
}

fn deploy_settings(push: &PushArgs, build: &BuildArgs, release: ReleaseArgs) -> DeploySettings {
    let ReleaseArgs { templates: _, rollout_timeout, history_max, app_url } = release;
    let (deny_force, lock_wait, build_timeout) = (push.deny_force, push.lock_wait, build.build_timeout);
    DeploySettings { deny_force, lock_wait, build_timeout, rollout_timeout, history_max, app_url }
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

/// What ends in turn: first new connections, then deploys that outlast the drain, then health checks.
#[derive(Default)]
struct Stop {
    connections: CancellationToken,
    deploys: CancellationToken,
    http: CancellationToken,
}

/// How long cancelled deploys may take to clean up behind themselves.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// Lets running pushes finish, for at most `limit`; those that can be cancelled then are. One whose
/// apply has begun and does not finish is healed at the next start.
async fn drain(stop: &Stop, tasks: &TaskTracker, limit: Duration) {
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

async fn server_ended(server: &'static str, task: JoinHandle<()>) {
    match tokio::time::timeout(CLEAN_UP, task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(server, %error, "a server ended in disorder"),
        Err(_) => tracing::error!(server, "a server did not end in time"),
    }
}

async fn start_keys(cluster: &Client, place: &PlaceArgs, ssh: &SshArgs) -> Result<KeyStore, ServeError> {
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

fn check_admin_keys(dir: Option<&Path>) -> Result<(), ServeError> {
    match dir {
        Some(dir) if !dir.is_dir() => {
            Err(ServeError::Setting { flag: "--admin-keys", reason: format!("{} is not a directory", dir.display()) })
        }
        _ => Ok(()),
    }
}

async fn listen(flag: &'static str, address: std::net::SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|e| ServeError::Setting { flag, reason: format!("{address}: {e}") })
}

fn address(listener: &TcpListener) -> Result<std::net::SocketAddr, ServeError> {
    listener.local_addr().map_err(|e| start("reading an own address")(&e))
}

fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

fn ssh_settings(ssh: &SshArgs, host_key: russh::keys::PrivateKey) -> SshSettings {
    SshSettings {
        host_key,
        login_grace: ssh.login_grace,
        max_startups: count(ssh.max_startups),
        max_connections: count(ssh.max_connections),
        max_sessions: count(ssh.max_sessions),
        max_auth_tries: count(ssh.max_auth_tries),
        keepalive: ssh.keepalive,
    }
}

/// As much as a semaphore counts, which panics beyond.
fn count(number: NonZeroUsize) -> usize {
    number.get().min(Semaphore::MAX_PERMITS)
}

async fn wait_for_signal() -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| start("listening for SIGTERM")(&e))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| start("listening for SIGINT")(&e))?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        _ = interrupt.recv() => tracing::info!("SIGINT"),
    }
    Ok(())
}
