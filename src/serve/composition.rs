//! Composes the service from the settings of `slipway serve`: for its front doors, and for tests that use the service
//! without one.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use kube::Client;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::backends::{connect_engine, connect_registry};
use super::convert::{check_admin_keys, deploy_settings, git_settings, namespace_scope};
use super::error::{ServeError, cannot};
use super::runtime::{host_name, lock_running_file, open_repositories, start_key_store};
use super::templates::read_templates;
use crate::apps::{Apps, NamespaceScope};
use crate::build::Engine;
use crate::chart::Templates;
use crate::config::ServeArgs;
use crate::deploy::Deployer;
use crate::git::Repositories;
use crate::http::Readiness;
use crate::k8s::{self, ApiHealth, EventPublisher};
use crate::rbac_check::check_permissions;
use crate::registry::Registry;
use crate::release::lock::ProcessIdentity;
use crate::service::{Service, ServiceParts};

/// Settings that are valid, and what this host provides. There is no connection to the cluster yet.
pub struct Prepared {
    args: ServeArgs,
    templates: Templates,
    engine: Engine,
    registry: Registry,
    scope: NamespaceScope,
    running_lock: Option<File>,
    repositories: Repositories,
}

/// The service, and what runs beside it.
pub struct Composed {
    pub service: Arc<Service>,
    pub(super) cluster: Client,
    deployer: Arc<Deployer>,
    api_health: ApiHealth,
    /// Held until the process ends.
    _running_lock: Option<File>,
}

/// Checks the settings and opens the data directory. git's hooks start `program`, slipway's own program file.
///
/// # Errors
/// [`ServeError::InvalidSetting`]
pub async fn prepare(args: ServeArgs, program: &Path) -> Result<Prepared, ServeError> {
    let templates = read_templates(args.release.templates.as_deref())?;
    let engine = connect_engine(&args.build)?;
    let registry = connect_registry(args.registry.clone()).await?;
    check_admin_keys(args.ssh.admin_keys.as_deref())?;
    let scope = namespace_scope(&args.server)?;
    let running_lock = args.server.running_file.as_deref().map(lock_running_file).transpose()?;
    let repositories = open_repositories(&args.server, program).await?;
    Ok(Prepared { args, templates, engine, registry, scope, running_lock, repositories })
}

impl Prepared {
    /// Connects to the cluster, checks slipway's permissions there and reads the keys. `stop` cancels deploys that have
    /// not passed their commit point.
    ///
    /// # Errors
    /// [`ServeError`]
    pub async fn compose(self, stop: CancellationToken) -> Result<Composed, ServeError> {
        let Self { args, templates, engine, registry, scope, running_lock, repositories } = self;
        let ServeArgs { server, ssh, push, build, stacks, registry: _, release } = args;
        let (cluster, api_health) = connect_cluster(&server.namespace, &scope).await?;
        let identity = server.identity.clone().unwrap_or_else(host_name);
        let events = EventPublisher::new(cluster.clone(), &identity);
        let keys = start_key_store(&cluster, &server, &ssh, events.clone()).await?;
        let deployer = Arc::new(Deployer {
            cluster: cluster.clone(),
            server_version: OnceCell::new(),
            events,
            gateway: ProcessIdentity { identity, instance: Uuid::new_v4() },
            engine,
            registry,
            apps: Apps::new(cluster.clone(), scope, &server.namespace),
            templates,
            settings: deploy_settings(&push, &build, stacks, release),
            stop,
        });
        let service = Arc::new(Service::new(ServiceParts {
            namespace: server.namespace,
            keys,
            repositories,
            deployer: Arc::clone(&deployer),
            creation: push.app_creation,
            git: git_settings(&push),
        }));
        Ok(Composed { service, cluster, deployer, api_health, _running_lock: running_lock })
    }
}

async fn connect_cluster(namespace: &str, scope: &NamespaceScope) -> Result<(Client, ApiHealth), ServeError> {
    let connected = k8s::client_from_env().await;
    let (client, api_health) = connected.map_err(|e| cannot("configure the Kubernetes client")(&e))?;
    check_permissions(&client, namespace, scope).await.map_err(|e| cannot("start")(&e))?;
    if !matches!(scope, NamespaceScope::AllowList(_)) {
        let namespaced = k8s::ensure_namespace(&client, namespace).await;
        namespaced.map_err(|e| cannot("create slipway's own namespace")(&e))?;
    }
    Ok((client, api_health))
}

impl Composed {
    /// Starts what runs beside the front doors: recovery, watches, garbage collection and checks of dependencies.
    /// `stop` ends the garbage collection.
    pub(super) fn spawn_background_tasks(&self, readiness: &Readiness, stop: &CancellationToken) {
        let Self { service, deployer, api_health, .. } = self;
        tokio::spawn(Arc::clone(deployer).recover_interrupted());
        let unfinished = Arc::clone(service);
        tokio::spawn(async move { unfinished.resume_deletions().await });
        let apps = deployer.apps.clone();
        tokio::spawn(async move { apps.watch_namespaces().await });
        if let Some(collector) = deployer.registry.garbage_collector().cloned() {
            let stop = stop.clone();
            tokio::spawn(async move { collector.run(&stop).await });
        }
        tokio::spawn(Arc::clone(deployer).report_engine_connectivity());
        let monitored = readiness.clone();
        let set_unavailable = move |unavailable| monitored.set_unavailable(unavailable);
        tokio::spawn(Arc::clone(deployer).monitor_dependencies(api_health.clone(), set_unavailable));
        tokio::spawn(Arc::clone(deployer).watch_registry_passwords());
    }
}
