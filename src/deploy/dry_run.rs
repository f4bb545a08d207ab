//! `git push -o dry-run`: all stages up to the apply, and the changes that the apply would make.

use std::sync::Arc;

use crate::chart::{self, Values};
use crate::domain::{
    BuiltImage, CancelHandle, LimitedResources, Progress, PushedCommit, RenderedChart, Revision, in_span,
};
use crate::release::{self, ReleaseHistory};

use super::deployer::Deployer;
use super::error::DeployError;
use super::live_deploy::LiveDeploy;
use super::preflight::PLACEHOLDER_DIGEST;
use super::request::{CommitSource, DeployRequest};
use super::source_tree::SourceTree;

impl Deployer {
    /// Builds, shows the changes of the release, and refuses the push. The image is not pushed to the registry, so its
    /// digest is unknown. A new app is not created, and its objects are not validated by the API server.
    pub(super) async fn dry_run(
        self: &Arc<Self>,
        request: &DeployRequest,
        source: &CommitSource,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<LiveDeploy, DeployError> {
        self.until_cancelled(cancel, Box::pin(self.show_changes(request, source, progress))).await?;
        Err(DeployError::DryRun)
    }

    async fn show_changes(
        self: &Arc<Self>,
        request: &DeployRequest,
        source: &CommitSource,
        progress: &Progress,
    ) -> Result<(), DeployError> {
        let pushed = &source.pushed;
        let tree = self.read_source_tree(&request.grant, source).await?;
        self.engine.ping().await?;
        // The lock excludes another push of the app, whose build uses the same image name in the Engine.
        let lock = match request.grant.creates_app() {
            true => None,
            false => Some(self.lock_for_commit(pushed, request.options.when_locked, progress).await?),
        };
        let limited_resources = match &lock {
            Some(_) => self.apps.limited_resources(&pushed.app).await?,
            None => LimitedResources::default(),
        };
        let revision = match &lock {
            Some(_) => ReleaseHistory::read(&self.cluster, &request.target()).await?.next_revision(),
            None => Revision(1),
        };
        let chart = self.render_unpublished(pushed, &tree, (revision, limited_resources), progress).await?;
        progress.start_stage(format!("Comparing with the live objects of {}", pushed.app)).await;
        let changes = if lock.is_some() {
            release::diff_against_live(&self.cluster, &request.target(), &chart, request.options.on_conflict).await?
        } else {
            let app = &pushed.app;
            progress.log(format!("{app} does not exist yet: the API server did not validate the objects")).await;
            release::diff_against_nothing(&chart)?
        };
        progress.log(changes.replace(PLACEHOLDER_DIGEST, "(known after the push to the registry)")).await;
        if let Some(lock) = lock {
            lock.release().await;
        }
        Ok(())
    }

    /// Builds the image, and renders the chart with a placeholder for the image's digest.
    async fn render_unpublished(
        &self,
        pushed: &PushedCommit,
        tree: &SourceTree,
        (revision, limited_resources): (Revision, LimitedResources),
        progress: &Progress,
    ) -> Result<RenderedChart, DeployError> {
        let placeholders = self.placeholder_values(pushed, tree, self.kube_version().await?);
        let (image, local_image) = in_span("build", self.build_image(pushed, tree, progress)).await?;
        self.check_shell(&tree.spec, &image).await?;
        local_image.discard().await;
        let BuiltImage { exposed_port, user, .. } = image;
        let values = Values { exposed_port, user, limited_resources, revision: Some(revision), ..placeholders };
        Ok(chart::render(&self.templates, &values)?)
    }
}
