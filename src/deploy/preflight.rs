//! The checks before a build: a push that cannot go live fails before its build.

use std::sync::Arc;

use crate::apps::Claim;
use crate::auth::PushGrant;
use crate::chart::{self, Values};
use crate::domain::{ImageRef, KubeVersion, Progress, PushedCommit, in_span};
use crate::git;
use crate::release::lock::ReleaseLock;
use crate::release::{self, ApiDiscovery, RecoveryOutcome, ReleaseHistory};

use super::deployer::Deployer;
use super::error::DeployError;
use super::options::WhenLocked;
use super::recovery::ensure_undone;
use super::request::{CommitSource, DeployRequest, Trigger};
use super::source_tree::SourceTree;

/// The hex digits of a digest that no image has.
pub(super) const PLACEHOLDER_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The results that later stages use.
pub(super) struct PreflightResult {
    pub lock: ReleaseLock,
    pub tree: SourceTree,
    pub kube_version: KubeVersion,
    /// The discovered API resources of the chart's kinds.
    pub discovery: ApiDiscovery,
}

/// The claim that a push makes.
pub(super) fn claim(grant: &PushGrant) -> Claim<'_> {
    Claim { app: grant.app(), user: grant.user(), is_admin: grant.is_admin(), creates_app: grant.creates_app() }
}

impl Deployer {
    /// Runs all checks before the build. On success, the app's namespace exists and the app is locked.
    pub(super) async fn preflight(
        self: &Arc<Self>,
        request: &DeployRequest,
        source: &CommitSource,
        progress: &Progress,
    ) -> Result<PreflightResult, DeployError> {
        let (grant, pushed) = (&request.grant, &source.pushed);
        let engine = async { Ok(self.engine.ping().await?) };
        let registry = async { Ok(self.registry.check_repository(&pushed.app).await?) };
        let (tree, (), (), kube_version) =
            tokio::try_join!(self.read_source_tree(grant, source), engine, registry, self.kube_version())?;
        for warning in &tree.warnings {
            progress.log(format!("warning: {warning}")).await;
        }
        let placeholders = self.placeholder_values(pushed, &tree, kube_version);
        let placeholder_chart = chart::render(&self.templates, &placeholders)?;
        self.apps.claim(&claim(grant)).await?;
        let lock = self.lock_for_commit(pushed, request.options.when_locked, progress).await?;
        if request.options.when_locked == WhenLocked::Wait {
            self.apps.check_claim(&claim(grant)).await?;
        }
        let recovery = self.recover_before_deploy(&lock, progress);
        let (revalidated, history) = tokio::join!(self.revalidate(source), recovery);
        revalidated?;
        let target = request.target();
        let on_conflict = request.options.on_conflict;
        let dry_run = release::dry_run(&self.cluster, &target, &placeholder_chart, history?, on_conflict);
        let discovery = in_span("dry-run", dry_run).await?;
        Ok(PreflightResult { lock, tree, kube_version, discovery })
    }

    /// Decides the push again under the lock: another push may have changed the refs since the first decision, and git
    /// itself checks the refs again only after the release is live.
    async fn revalidate(&self, source: &CommitSource) -> Result<(), DeployError> {
        let pushed = &source.pushed;
        let head = match &source.trigger {
            Trigger::Push { updates, facts, policy } => {
                let facts = git::refresh_refs(&pushed.objects, updates, (**facts).clone()).await?;
                git::decide_refs(updates, &facts, *policy).ok().and_then(|now| now.deploy)
            }
            Trigger::Redeploy => git::deploy_branch_head(&pushed.objects).await?,
        };
        if head.is_some_and(|(branch, commit)| branch == pushed.branch && commit == pushed.commit) {
            Ok(())
        } else {
            Err(DeployError::ConcurrentPush(pushed.app.clone()))
        }
    }

    /// Recovers an interrupted release. Returns the app's history if no release was interrupted. A failed recovery
    /// refuses the deploy.
    pub(super) async fn recover_before_deploy(
        &self,
        lock: &ReleaseLock,
        progress: &Progress,
    ) -> Result<Option<ReleaseHistory>, DeployError> {
        match in_span("heal", release::recover(&self.cluster, lock, self.settings.rollout_limits, progress)).await? {
            RecoveryOutcome::Clean(history) => Ok(Some(*history)),
            RecoveryOutcome::Completed(_) => Ok(None),
            RecoveryOutcome::Recovered(recovered) => ensure_undone(recovered).map(|_| None),
        }
    }

    /// Values with [`PLACEHOLDER_DIGEST`], for a rendering before the image exists. The registry in the reference is
    /// the real one, because admission policies may check it.
    pub(super) fn placeholder_values(
        &self,
        pushed: &PushedCommit,
        tree: &SourceTree,
        kube_version: KubeVersion,
    ) -> Values {
        let repository = self.registry.pull_address().image_name(&pushed.app);
        let placeholder = ImageRef::verbatim(format!("{repository}@sha256:{PLACEHOLDER_DIGEST}"));
        self.chart_values(pushed, tree, placeholder, kube_version)
    }
}
