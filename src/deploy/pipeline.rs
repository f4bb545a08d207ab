//! The stages of a commit's deploy, from the preflight to the live release.

use std::sync::Arc;

use tokio::time::Instant;

use crate::apps::PULL_SECRET;
use crate::build::LocalImage;
use crate::chart::{self, Values};
use crate::domain::{
    AppName, BuiltImage, CancelHandle, ImageRef, KubeVersion, Progress, PublishedImage, PushedCommit, RenderedChart,
    Target,
};
use crate::release::lock::ReleaseLock;
use crate::release::{self, ApiDiscovery, ReleaseError, ReleaseHistory, Released, UpgradeContext, UpgradeRequest};

use super::deployer::Deployer;
use super::error::DeployError;
use super::events::DeployEvent;
use super::live_deploy::{DeployedSource, LiveDeploy};
use super::metrics::Phase;
use super::preflight::PreflightResult;
use super::request::{CommitSource, DeployRequest};
use super::source_tree::SourceTree;
use super::unrecorded_image::UnrecordedImage;

/// Everything that the release stage needs beside the result of the preflight.
struct PreparedRelease {
    history: ReleaseHistory,
    upgrade: UpgradeRequest,
    local_image: LocalImage,
    image: UnrecordedImage,
}

impl Deployer {
    /// Deploys a commit. Up to the commit point of `cancel`, a cancelled deploy is dropped, which ends the build and
    /// frees the lock. From the commit point on, the deploy finishes.
    pub(super) async fn deploy_commit(
        self: &Arc<Self>,
        request: &DeployRequest,
        source: &CommitSource,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<LiveDeploy, DeployError> {
        let began = Instant::now();
        let before_apply = Box::pin(self.prepare_locked(request, source, progress));
        let (preflight, prepared) = self.until_cancelled(cancel, before_apply).await?;
        cancel.pass_commit_point()?;
        let PreflightResult { lock, discovery, .. } = preflight;
        let (released, local_image) = self.upgrade(request, &lock, discovery, prepared, progress).await?;
        self.store_environment(request.app(), &source.environment, progress).await;
        self.report_deployed(request.app(), &released, began, progress).await;
        let PushedCommit { branch, commit, .. } = source.pushed.clone();
        let source = DeployedSource::Commit { branch, commit };
        Ok(LiveDeploy::new(request, lock, Some(local_image), released.revision, source))
    }

    async fn upgrade(
        self: &Arc<Self>,
        request: &DeployRequest,
        lock: &ReleaseLock,
        discovery: ApiDiscovery,
        prepared: PreparedRelease,
        progress: &Progress,
    ) -> Result<(Released, LocalImage), DeployError> {
        let PreparedRelease { history, upgrade, local_image, image } = prepared;
        request.trace.set_revision(upgrade.revision);
        progress.start_stage(format!("Releasing {} into namespace {}", upgrade.revision, request.app())).await;
        let context = UpgradeContext { history, discovery };
        let releasing = Box::pin(release::upgrade(&self.cluster, lock, context, upgrade, progress));
        match Phase::Release.measure(releasing).await {
            Ok(released) => {
                image.recorded();
                Ok((released, local_image))
            }
            Err(error) => {
                if matches!(error, ReleaseError::Failed { .. }) {
                    image.recorded();
                }
                self.recover_later_if_unfinished(request.app(), &error);
                self.trim_history_after(request.app(), lock, &error).await;
                local_image.discard().await;
                Err(error.into())
            }
        }
    }

    /// The stages before the first change in the cluster.
    async fn prepare_locked(
        self: &Arc<Self>,
        request: &DeployRequest,
        source: &CommitSource,
        progress: &Progress,
    ) -> Result<(PreflightResult, PreparedRelease), DeployError> {
        let pushed = &source.pushed;
        let preflight = Phase::Preflight.measure(Box::pin(self.preflight(request, source, progress))).await?;
        self.emit_event(request.app(), DeployEvent::push_received(pushed.commit.short(), request.user()));
        match preflight.lock.guard(Box::pin(self.prepare(request, source, &preflight, progress))).await? {
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
    }

    /// Builds and publishes the image, and renders the chart.
    async fn prepare(
        self: &Arc<Self>,
        request: &DeployRequest,
        source: &CommitSource,
        preflight: &PreflightResult,
        progress: &Progress,
    ) -> Result<PreparedRelease, DeployError> {
        let pushed = &source.pushed;
        let reading = async { Ok(ReleaseHistory::read(&self.cluster, &request.target()).await?) };
        let building = Phase::Build.measure(self.build_image(pushed, &preflight.tree, progress));
        let limits = async { Ok(self.apps.limited_resources(&pushed.app).await?) };
        let (history, (built, local_image), limited_resources) = tokio::try_join!(reading, building, limits)?;
        self.check_shell(&preflight.tree.spec, &built).await?;
        let revision = history.next_revision();
        let PublishedImage { reference, digest } = self.publish_image(pushed, &built, revision, progress).await?;
        let image = UnrecordedImage::new(self, &pushed.app, &digest);
        let values = self.chart_values(pushed, &preflight.tree, reference, preflight.kube_version);
        let BuiltImage { exposed_port, user, .. } = built;
        let chart = self
            .render_chart(Values { exposed_port, user, limited_resources, revision: Some(revision), ..values })
            .await?;
        let manifest_text = chart::to_yaml(&chart)?;
        self.write_pull_secret(&pushed.app).await?;
        let generated = self.apps.generate_values(&pushed.app, &preflight.tree.spec.generated()).await?;
        if !generated.is_empty() {
            progress.log(format!("Generated {}", generated.join(", "))).await;
        }
        let upgrade = UpgradeRequest {
            chart,
            manifest_text,
            commit: pushed.commit.clone(),
            pusher: pushed.pusher.clone(),
            digest,
            revision,
            limits: self.settings.rollout_limits,
            on_failure: request.options.on_failure,
            on_conflict: request.options.on_conflict,
            release_phase: request.options.release_phase,
        };
        Ok(PreparedRelease { history, upgrade, local_image, image })
    }

    async fn render_chart(&self, values: Values) -> Result<RenderedChart, DeployError> {
        let mut chart = chart::render(&self.templates, &values)?;
        release::normalize_versions(&self.cluster, &Target::of_app(&values.app), &mut chart).await?;
        Ok(chart)
    }

    /// The values that depend neither on the built image nor on the app's namespace.
    pub(super) fn chart_values(
        &self,
        pushed: &PushedCommit,
        tree: &SourceTree,
        image: ImageRef,
        kube_version: KubeVersion,
    ) -> Values {
        Values {
            version: Some(tree.version.clone()),
            spec: tree.spec.clone(),
            commit: Some(pushed.commit.clone()),
            pusher: Some(pushed.pusher.clone()),
            pull_secret: self.registry.has_pull_secret().then(|| PULL_SECRET.to_owned()),
            times: self.settings.times,
            kube_version,
            ..Values::new(pushed.app.clone(), image)
        }
    }

    /// Tells the pusher that the app is live, once it answers.
    pub(super) async fn report_deployed(
        &self,
        app: &AppName,
        released: &Released,
        began: Instant,
        progress: &Progress,
    ) {
        if let Some(service) = &released.service {
            self.await_traffic(service, progress).await;
        }
        let seconds = began.elapsed().as_secs_f64();
        progress.finish(format!("Application deployed: Released {} in {seconds:.1} s", released.revision)).await;
        let cluster_ip = released.service.as_ref().map(|service| service.ip.to_string());
        if let Some(url) = app_url(&self.settings.app_url, app, cluster_ip.as_deref()) {
            progress.log(url).await;
        }
    }
}

/// None if the address is that of a Service that the release does not have.
fn app_url(template: &str, app: &AppName, cluster_ip: Option<&str>) -> Option<String> {
    const CLUSTER_IP: &str = "{cluster_ip}";
    let url = template.replace("{app}", app.as_str());
    match cluster_ip {
        Some(address) => Some(url.replace(CLUSTER_IP, address)),
        None => (!url.contains(CLUSTER_IP)).then_some(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_without_a_service_has_no_url_by_cluster_ip() {
        let app = "web".parse().unwrap();
        assert_eq!(app_url("http://{cluster_ip}", &app, Some("10.0.0.1")).as_deref(), Some("http://10.0.0.1"));
        assert_eq!(app_url("http://{cluster_ip}", &app, None), None);
        assert_eq!(app_url("https://{app}.example.com", &app, None).as_deref(), Some("https://web.example.com"));
    }
}
