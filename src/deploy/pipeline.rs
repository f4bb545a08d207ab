//! The stages of a deploy, from the preflight to the live release.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::apps::PULL_SECRET;
use crate::build::{self, BuildPlan, LocalImage, keep_declared_args};
use crate::chart::{self, Values};
use crate::domain::{
    AppName, BuiltImage, CancelHandle, Digest, ImageRef, Progress, PublishedImage, PushedCommit, RenderedChart,
    Revision, Target,
};
use crate::git::{self, TreeLimits};
use crate::registry;
use crate::release::{self, ReleaseHistory, ReleaseRequest, Released, UpgradeContext};

use super::deployer::Deployer;
use super::error::DeployError;
use super::events::DeployEvent;
use super::live_deploy::LiveDeploy;
use super::metrics::Phase;
use super::preflight::{PreflightResult, SourceTree};
use super::request::DeployRequest;

/// Everything that the release stage needs.
struct PreparedRelease {
    history: ReleaseHistory,
    revision: Revision,
    digest: Digest,
    chart: RenderedChart,
    manifest_text: String,
    local_image: LocalImage,
}

impl Deployer {
    /// Deploys a commit. Up to the commit point of `cancel`, a cancelled deploy is dropped, which ends the build and
    /// frees the lock. From the commit point on, the deploy finishes.
    pub(super) async fn deploy(
        self: &Arc<Self>,
        request: DeployRequest<'_>,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<LiveDeploy, DeployError> {
        let began = Instant::now();
        let pushed = &request.pushed;
        progress.start_stage(request.title()).await;
        if request.options.dry_run {
            return self.dry_run(&request, progress, cancel).await;
        }
        let before_apply = async {
            let preflight = Phase::Preflight.measure(Box::pin(self.preflight(&request, progress))).await?;
            self.emit_event(&pushed.app, DeployEvent::push_received(pushed.commit.short(), &pushed.pusher));
            match preflight.lock.guard(Box::pin(self.prepare(pushed, &preflight, progress))).await? {
                Ok(prepared) => Ok((preflight, prepared)),
                Err(error) => {
                    if self.reclaim_space_if_full(&error) {
                        let message = "The registry is full. slipway now deletes images that no release uses: \
                                       push again in a minute";
                        progress.log(message).await;
                    }
                    Err(error)
                }
            }
        };
        let (preflight, prepared) = self.until_cancelled(cancel, Box::pin(before_apply)).await?;
        cancel.pass_commit_point()?;
        let PreparedRelease { history, revision, digest, chart, manifest_text, local_image } = prepared;
        let PreflightResult { lock, discovery, .. } = preflight;
        request.trace.set_revision(revision);
        progress.start_stage(format!("Releasing {revision} into namespace {}", pushed.app)).await;
        let upgrade = ReleaseRequest {
            chart,
            manifest_text,
            commit: pushed.commit.clone(),
            pusher: pushed.pusher.clone(),
            digest,
            revision,
            timeout: self.settings.rollout_timeout,
            on_failure: request.options.on_failure(),
        };
        let context = UpgradeContext { history, discovery };
        let releasing = Box::pin(release::upgrade(&self.cluster, &lock, context, upgrade, progress));
        let released = match Phase::Release.measure(releasing).await {
            Ok(released) => released,
            Err(error) => {
                self.recover_later_if_unfinished(&pushed.app, &error);
                local_image.discard().await;
                return Err(error.into());
            }
        };
        self.report_deployed(&pushed.app, &released, began.elapsed(), progress).await;
        let DeployRequest { pushed: PushedCommit { app, branch, commit, .. }, trace, .. } = request;
        Ok(LiveDeploy { app, lock, local_image, branch, commit, revision, trace })
    }

    /// The stages between the preflight and the first change in the cluster.
    async fn prepare(
        &self,
        pushed: &PushedCommit,
        preflight: &PreflightResult,
        progress: &Progress,
    ) -> Result<PreparedRelease, DeployError> {
        let reading = async { Ok(ReleaseHistory::read(&self.cluster, &Target::of_app(&pushed.app)).await?) };
        let building = Phase::Build.measure(self.build_image(pushed, &preflight.tree, progress));
        let (history, (built, local_image)) = tokio::try_join!(reading, building)?;
        let revision = history.next_revision();
        let published = self.publish_image(pushed, &built, revision, progress).await?;
        let PublishedImage { reference, digest } = published;
        let values = Values {
            exposed_port: built.exposed_port,
            user: built.user,
            ..self.chart_values(pushed, &preflight.tree.version, reference)
        };
        let mut chart = chart::render(&self.templates, &values)?;
        release::normalize_versions(&self.cluster, &Target::of_app(&pushed.app), &mut chart).await?;
        let manifest_text = chart::to_yaml(&chart)?;
        self.write_pull_secret(&pushed.app).await?;
        Ok(PreparedRelease { history, revision, digest, chart, manifest_text, local_image })
    }

    async fn publish_image(
        &self,
        pushed: &PushedCommit,
        built: &BuiltImage,
        revision: Revision,
        progress: &Progress,
    ) -> Result<PublishedImage, DeployError> {
        let docker = self.engine.client().await?;
        let publishing = registry::publish(&docker, &self.registry, built, &pushed.app, revision, progress);
        Ok(Phase::Publish.measure(publishing).await?)
    }

    /// The Engine keeps the image until the app is live: deleting the image takes a tenth of a second, and a kubelet on
    /// the Engine's own node finds the layers there.
    pub(super) async fn build_image(
        &self,
        pushed: &PushedCommit,
        tree: &SourceTree,
        progress: &Progress,
    ) -> Result<(BuiltImage, LocalImage), DeployError> {
        let plan = self.build_plan(pushed, tree);
        let context = git::archive(&pushed.objects, &pushed.commit, TreeLimits::default()).await?;
        let built = build::build_image(&self.engine, &plan, context, tree.ignore.clone(), progress).await?;
        Ok((built, LocalImage::new(&self.engine, &plan.tag)))
    }

    /// Passes the commit as the build argument `GIT_REV` only if the Dockerfile declares it: an undeclared argument
    /// would invalidate the build cache with every commit.
    fn build_plan(&self, pushed: &PushedCommit, tree: &SourceTree) -> BuildPlan {
        let args = BTreeMap::from([("GIT_REV".to_owned(), pushed.commit.to_string())]);
        let args = keep_declared_args(args, &String::from_utf8_lossy(&tree.text));
        BuildPlan { args, ..BuildPlan::new(&pushed.app, &tree.dockerfile, self.settings.build_timeout) }
    }

    /// The values that do not depend on the built image.
    pub(super) fn chart_values(&self, pushed: &PushedCommit, version: &str, image: ImageRef) -> Values {
        Values {
            version: Some(version.to_owned()),
            commit: Some(pushed.commit.clone()),
            pusher: Some(pushed.pusher.clone()),
            pull_secret: self.registry.has_pull_secret().then(|| PULL_SECRET.to_owned()),
            rollout_timeout: self.settings.rollout_timeout,
            ..Values::new(pushed.app.clone(), image)
        }
    }

    pub(super) async fn report_deployed(
        &self,
        app: &AppName,
        released: &Released,
        took: Duration,
        progress: &Progress,
    ) {
        let seconds = took.as_secs_f64();
        progress.finish(format!("Application deployed: Released {} in {seconds:.1} s", released.revision)).await;
        let cluster_ip = released.cluster_ip.as_deref().unwrap_or("none");
        let url = self.settings.app_url.replace("{app}", app.as_str()).replace("{cluster_ip}", cluster_ip);
        progress.log(url).await;
    }
}
