//! The checks before a build: a push that cannot go live fails before its build.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use metrics::counter;

use crate::apps::Claim;
use crate::auth::PushGrant;
use crate::build::{find_dockerfile, ignore_file_candidates};
use crate::chart::{self, Values};
use crate::domain::{AppName, ImageRef, Progress, PushedCommit, in_span, metric_names};
use crate::git;
use crate::release::lock::{self, AppLock, HolderInfo, LockError};
use crate::release::{self, ApiDiscovery, RecoveryOutcome, ReleaseHistory};

use super::deployer::Deployer;
use super::error::DeployError;
use super::options::DeployOptions;
use super::recovery::ensure_undone;
use super::request::{DeployRequest, Trigger};

/// The largest Dockerfile and ignore file, in bytes.
const MAX_FILE_LEN: u64 = 1 << 20;
/// How long a deploy waits for a lock that the recovery of an interrupted release holds.
const RECOVERY_WAIT: Duration = Duration::from_secs(120);
/// The hex digits of a digest that no image has.
pub(super) const PLACEHOLDER_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What the preflight passes to the later stages.
pub(super) struct PreflightResult {
    pub lock: AppLock,
    pub tree: SourceTree,
    /// The discovered API resources of the chart's kinds.
    pub discovery: ApiDiscovery,
}

/// The files of a pushed tree that a build depends on, and the version of the tree.
pub(super) struct SourceTree {
    /// The path of the Dockerfile.
    pub dockerfile: String,
    /// The content of the Dockerfile.
    pub text: Vec<u8>,
    /// The content of the ignore file.
    pub ignore: Option<Vec<u8>>,
    /// `git describe`, or the short commit.
    pub version: String,
}

/// The claim that a push makes.
fn claim(grant: &PushGrant) -> Claim<'_> {
    Claim { app: grant.app(), user: grant.user(), is_admin: grant.is_admin(), creates_app: grant.creates_app() }
}

impl Deployer {
    /// Runs all checks before the build. On success, the app's namespace exists and the app is locked.
    pub(super) async fn preflight(
        self: &Arc<Self>,
        request: &DeployRequest<'_>,
        progress: &Progress,
    ) -> Result<PreflightResult, DeployError> {
        let DeployRequest { grant, pushed, options, .. } = request;
        let engine = async { Ok(self.engine.ping().await?) };
        let registry = async { Ok(self.registry.check_repository(&pushed.app).await?) };
        let (tree, (), ()) = tokio::try_join!(self.read_source_tree(pushed), engine, registry)?;
        let placeholder_chart = chart::render(&self.templates, &self.placeholder_values(pushed, &tree.version))?;
        self.apps.claim(&claim(grant)).await?;
        let lock = self.lock_for_push(pushed, *options, progress).await?;
        let recovery = self.recover_before_deploy(&lock, progress);
        let (revalidated, history) = tokio::join!(self.revalidate(request), recovery);
        revalidated?;
        let dry_run = release::dry_run(&self.cluster, &pushed.app, &placeholder_chart, history?);
        let discovery = in_span("dry-run", dry_run).await?;
        Ok(PreflightResult { lock, tree, discovery })
    }

    pub(super) async fn read_source_tree(&self, pushed: &PushedCommit) -> Result<SourceTree, DeployError> {
        let files = async {
            let dockerfile = find_dockerfile(&git::list_top_level(&pushed.objects, &pushed.commit).await?)?;
            let text = async { read_file(pushed, &dockerfile).await.map(Option::unwrap_or_default) };
            let (text, ignore) = tokio::try_join!(text, read_ignore_file(pushed, &dockerfile))?;
            Ok::<_, DeployError>((dockerfile, text, ignore))
        };
        let (files, version) = tokio::join!(files, git::describe_commit(&pushed.objects, &pushed.commit));
        let (dockerfile, text, ignore) = files?;
        Ok(SourceTree { dockerfile, text, ignore, version })
    }

    /// Acquires the app's lock, with the pusher and the commit in the Lease.
    pub(super) async fn lock_for_push(
        &self,
        pushed: &PushedCommit,
        options: DeployOptions,
        progress: &Progress,
    ) -> Result<AppLock, DeployError> {
        let holder = HolderInfo { user: Some(pushed.pusher.clone()), commit: Some(pushed.commit.clone()) };
        self.lock_app(&pushed.app, &holder, options, progress).await
    }

    pub(super) async fn lock_app(
        &self,
        app: &AppName,
        holder: &HolderInfo,
        options: DeployOptions,
        progress: &Progress,
    ) -> Result<AppLock, DeployError> {
        self.apps.bind_role(app).await?;
        let acquired = in_span("lock", self.acquire_lock(app, holder, options, progress)).await;
        if let Err(LockError::Held(_) | LockError::WaitTimedOut { .. }) = &acquired {
            counter!(metric_names::LOCK_REFUSALS_TOTAL).increment(1);
        }
        Ok(acquired?)
    }

    async fn acquire_lock(
        &self,
        app: &AppName,
        holder: &HolderInfo,
        options: DeployOptions,
        progress: &Progress,
    ) -> Result<AppLock, LockError> {
        let (cluster, gateway) = (&self.cluster, &self.gateway);
        if options.wait {
            let limit = self.settings.lock_wait;
            return lock::acquire_waiting(cluster, app, gateway, holder, limit, progress).await;
        }
        match lock::acquire(cluster, app, gateway, holder).await {
            // The holder is the recovery of an interrupted release, which this deploy would have to start with anyway.
            Err(LockError::Held(current)) if current.is_maintenance() => {
                lock::acquire_waiting(cluster, app, gateway, holder, RECOVERY_WAIT, progress).await
            }
            result => result,
        }
    }

    /// Decides the push again under the lock: another push may have changed the refs since the first decision, and git
    /// itself checks the refs again only after the release is live.
    async fn revalidate(&self, request: &DeployRequest<'_>) -> Result<(), DeployError> {
        let pushed = &request.pushed;
        let is_unchanged = match &request.trigger {
            Trigger::Push(updates, facts, decision) => {
                let facts = git::refresh_refs(&pushed.objects, (*facts).clone()).await?;
                let now = git::decide_refs(updates, &facts, self.settings.deny_force);
                now.is_ok_and(|now| now.deploy == decision.deploy)
            }
            Trigger::Redeploy => {
                let head = git::deploy_branch_head(&pushed.objects).await?;
                head.is_some_and(|(branch, commit)| branch == pushed.branch && commit == pushed.commit)
            }
        };
        if is_unchanged { Ok(()) } else { Err(DeployError::ConcurrentPush(pushed.app.clone())) }
    }

    /// Recovers an interrupted release. Returns the app's history if no release was interrupted. A failed recovery
    /// refuses the deploy.
    pub(super) async fn recover_before_deploy(
        &self,
        lock: &AppLock,
        progress: &Progress,
    ) -> Result<Option<ReleaseHistory>, DeployError> {
        match in_span("heal", release::recover(&self.cluster, lock, progress)).await? {
            RecoveryOutcome::Clean(history) => Ok(Some(*history)),
            RecoveryOutcome::Recovered(recovered) => ensure_undone(recovered).map(|_| None),
        }
    }

    /// Values with [`PLACEHOLDER_DIGEST`], for a rendering before the image exists. The registry in the reference is
    /// the real one, because admission policies may check it.
    pub(super) fn placeholder_values(&self, pushed: &PushedCommit, version: &str) -> Values {
        let repository = self.registry.pull_address().image_name(&pushed.app);
        let placeholder = ImageRef::verbatim(format!("{repository}@sha256:{PLACEHOLDER_DIGEST}"));
        self.chart_values(pushed, version, placeholder)
    }
}

/// Reads the first existing ignore file.
async fn read_ignore_file(pushed: &PushedCommit, dockerfile: &str) -> Result<Option<Vec<u8>>, DeployError> {
    let paths = ignore_file_candidates(dockerfile);
    let found = try_join_all(paths.iter().map(|path| read_file(pushed, path))).await?;
    Ok(found.into_iter().flatten().next())
}

async fn read_file(pushed: &PushedCommit, path: &str) -> Result<Option<Vec<u8>>, DeployError> {
    Ok(git::read_file(&pushed.objects, &pushed.commit, path, MAX_FILE_LEN).await?)
}
