//! The push, top to bottom.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::build::{self, BuildPlan};
use crate::chart::{self, Values};
use crate::domain::{BuiltImage, Cancel, Progress, PublishedImage, PushedCommit, RenderedChart, Revision};
use crate::git::archive;
use crate::registry;
use crate::release::{self, ReleaseRequest, Released};

use super::options::PushOptions;
use super::preflight::Cleared;
use super::{DeployError, Deployed, Deployer, IncomingPush};

/// The largest Dockerfile and ignore file that are read, in bytes.
const SMALL_FILE: u64 = 1 << 20;

impl Deployer {
    /// From the pushed commit to the live release. Until `cancel` is committed, dropping what runs
    /// undoes it; from then on it finishes.
    pub(super) async fn deploy(
        self: &Arc<Self>,
        push: &IncomingPush<'_>,
        pushed: PushedCommit,
        options: PushOptions,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Deployed, DeployError> {
        let began = Instant::now();
        progress.stage(format!("Receiving {} at {} from {}", pushed.branch, pushed.commit.short(), pushed.pusher)).await;
        let before_apply = async {
            let cleared = self.preflight(push, &pushed, options, progress).await?;
            let prepared = self.prepare(&pushed, &cleared, progress).await?;
            Ok::<_, DeployError>((cleared, prepared))
        };
        let (cleared, prepared) = tokio::select! {
            prepared = cancel.unless_cancelled(before_apply) => prepared??,
            () = self.stop.cancelled() => return Err(crate::domain::Cancelled.into()),
        };
        cancel.commit()?;
        let Prepared { revision, chart, manifest_text } = prepared;
        progress.stage(format!("Releasing {revision} into namespace {}", pushed.app)).await;
        let request = ReleaseRequest {
            app: pushed.app.clone(),
            chart,
            manifest_text,
            commit: pushed.commit.clone(),
            pusher: pushed.pusher.clone(),
            revision,
            timeout: self.settings.rollout_timeout,
        };
        let released = release::upgrade(&self.cluster, &cleared.lock, request, progress).await?;
        self.announce(&pushed, &released, began.elapsed(), progress).await;
        Ok(Deployed { lock: cleared.lock, branch: pushed.branch, commit: pushed.commit, revision })
    }

    /// Everything between the preflight and the first change in the cluster.
    async fn prepare(
        &self,
        pushed: &PushedCommit,
        cleared: &Cleared,
        progress: &Progress,
    ) -> Result<Prepared, DeployError> {
        let revision = release::next_revision(&self.cluster, &pushed.app).await?;
        let built = self.build(pushed, cleared, revision, progress).await?;
        let published =
            registry::publish(self.engine.client(), &self.registry, &built, &pushed.app, revision, progress).await?;
        let chart = self.render(pushed, cleared, &built, published)?;
        release::dry_run(&self.cluster, &pushed.app, &chart).await?;
        let manifest_text = chart::to_yaml(&chart)?;
        Ok(Prepared { revision, chart, manifest_text })
    }

    async fn build(
        &self,
        pushed: &PushedCommit,
        cleared: &Cleared,
        revision: Revision,
        progress: &Progress,
    ) -> Result<BuiltImage, DeployError> {
        let PushedCommit { app, commit, objects, .. } = pushed;
        progress.stage(format!("Building with {}", cleared.dockerfile)).await;
        let read = |path: String| async move { archive::read_file(objects, commit, &path, SMALL_FILE).await };
        let dockerfile = read(cleared.dockerfile.clone()).await?.unwrap_or_default();
        let ignore = match read(format!("{}.dockerignore", cleared.dockerfile)).await? {
            Some(specific) => Some(specific),
            None => read(".dockerignore".to_owned()).await?,
        };
        let plan = BuildPlan {
            dockerfile: cleared.dockerfile.clone(),
            args: build_args(&dockerfile, pushed),
            labels: BTreeMap::from([(crate::domain::labels::APP.to_owned(), app.to_string())]),
            tag: self.registry.tag(app, revision),
            timeout: self.settings.build_timeout,
        };
        let context = archive::open(objects, commit)?;
        Ok(build::build(&self.engine, &plan, context, ignore, progress).await?)
    }

    fn render(
        &self,
        pushed: &PushedCommit,
        cleared: &Cleared,
        built: &BuiltImage,
        published: PublishedImage,
    ) -> Result<RenderedChart, DeployError> {
        let values =
            Values::for_release(pushed, &cleared.version, published.reference, built.exposed_port, &built.user);
        Ok(chart::render(&self.templates, &values)?)
    }

    async fn announce(&self, pushed: &PushedCommit, released: &Released, took: Duration, progress: &Progress) {
        let seconds = took.as_secs_f64();
        progress.finished(format!("Application deployed: Released {} in {seconds:.1} s", released.revision)).await;
        let cluster_ip = released.cluster_ip.as_deref().unwrap_or("none");
        let url = self.settings.app_url.replace("{app}", pushed.app.as_str()).replace("{cluster_ip}", cluster_ip);
        progress.line(url).await;
    }
}

/// What goes into the cluster.
struct Prepared {
    revision: Revision,
    chart: RenderedChart,
    manifest_text: String,
}

/// The commit is a build argument only where the Dockerfile declares it: elsewhere the same tree at
/// another commit would build anew.
fn build_args(dockerfile: &[u8], pushed: &PushedCommit) -> BTreeMap<String, String> {
    let declared = build::plan::declared_args(dockerfile);
    let known = [("GIT_REV", pushed.commit.to_string())];
    known.into_iter().filter(|(name, _)| declared.contains(*name)).map(|(name, value)| (name.to_owned(), value)).collect()
}
