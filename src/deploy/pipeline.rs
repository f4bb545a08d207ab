//! The push, top to bottom.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::apps::PULL_SECRET;
use crate::build::dockerfile::declared_only;
use crate::build::{self, BuildPlan, LocalImage};
use crate::chart::{self, Values};
use crate::domain::{
    AppName, BuiltImage, Cancel, Digest, ImageRef, Progress, PublishedImage, PushedCommit, RenderedChart, Revision,
};
use crate::git::{self, TreeLimits};
use crate::registry;
use crate::release::{self, Ground, Past, ReleaseRequest, Released};

use super::events::News;
use super::measure::Phase;
use super::order::Order;
use super::preflight::{Cleared, Tree};
use super::{DeployError, Deployed, Deployer};

impl Deployer {
    /// From the pushed commit to the live release. Until `cancel` is committed, dropping what runs
    /// undoes it; from then on it finishes.
    pub(super) async fn deploy(
        self: &Arc<Self>,
        order: Order<'_>,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Deployed, DeployError> {
        let began = Instant::now();
        let pushed = &order.pushed;
        progress.stage(order.title()).await;
        if order.options.dry_run {
            return self.dry_run(&order, progress, cancel).await;
        }
        let before_apply = async {
            let preflight = Box::pin(self.preflight(&order, progress));
            let cleared = Phase::Preflight.timed(preflight).await?;
            self.tell(&pushed.app, News::received(pushed.commit.short(), &pushed.pusher));
            match cleared.lock.guard(Box::pin(self.prepare(pushed, &cleared, progress))).await? {
                Ok(prepared) => Ok((cleared, prepared)),
                Err(error) => {
                    if self.make_room_after(&error) {
                        progress.line("Images that no release names are removed now: push again in a minute").await;
                    }
                    Err(error)
                }
            }
        };
        let (cleared, prepared) = self.while_wanted(cancel, Box::pin(before_apply)).await?;
        cancel.commit()?;
        let Prepared { past, revision, digest, chart, manifest_text, local } = prepared;
        let Cleared { lock, catalog, .. } = cleared;
        order.trace.revision(revision);
        progress.stage(format!("Releasing {revision} into namespace {}", pushed.app)).await;
        let request = ReleaseRequest {
            chart,
            manifest_text,
            commit: pushed.commit.clone(),
            pusher: pushed.pusher.clone(),
            digest,
            revision,
            timeout: self.settings.rollout_timeout,
            on_failure: order.options.on_failure(),
        };
        let releasing = Box::pin(release::upgrade(&self.cluster, &lock, Ground { past, catalog }, request, progress));
        let released = match Phase::Release.timed(releasing).await {
            Ok(released) => released,
            Err(error) => {
                self.heal_what_is_left(&pushed.app, &error);
                local.discard().await;
                return Err(error.into());
            }
        };
        self.announce(&pushed.app, &released, began.elapsed(), progress).await;
        let Order { pushed: PushedCommit { branch, commit, .. }, trace, .. } = order;
        Ok(Deployed { lock, local, branch, commit, revision, trace })
    }

    /// Everything between the preflight and the first change in the cluster.
    async fn prepare(
        &self,
        pushed: &PushedCommit,
        cleared: &Cleared,
        progress: &Progress,
    ) -> Result<Prepared, DeployError> {
        let remembered = async { Ok(Past::read(&self.cluster, &pushed.app).await?) };
        let building = Phase::Build.timed(self.built(pushed, &cleared.tree, progress));
        let (past, (built, local)) = tokio::try_join!(remembered, building)?;
        let revision = past.next_revision();
        let published = self.published(pushed, &built, revision, progress).await?;
        let PublishedImage { reference, digest } = published;
        let values = Values {
            exposed_port: built.exposed_port,
            user: built.user,
            ..self.values(pushed, &cleared.tree.version, reference)
        };
        let mut chart = chart::render(&self.templates, &values)?;
        release::fit(&self.cluster, &pushed.app, &mut chart).await?;
        let manifest_text = chart::to_yaml(&chart)?;
        self.write_pull_secret(&pushed.app).await?;
        Ok(Prepared { past, revision, digest, chart, manifest_text, local })
    }

    /// The image in the registry.
    async fn published(
        &self,
        pushed: &PushedCommit,
        built: &BuiltImage,
        revision: Revision,
        progress: &Progress,
    ) -> Result<PublishedImage, DeployError> {
        let docker = self.engine.client().await?;
        let publishing = registry::publish(&docker, &self.registry, built, &pushed.app, revision, progress);
        Ok(Phase::Publish.timed(publishing).await?)
    }

    /// The image, built, and its place in the Engine, which is kept until the app is live: to give it up takes the Engine a
    /// tenth of a second, and a kubelet on the Engine's own node finds the layers there.
    pub(super) async fn built(
        &self,
        pushed: &PushedCommit,
        tree: &Tree,
        progress: &Progress,
    ) -> Result<(BuiltImage, LocalImage), DeployError> {
        let plan = self.build_plan(pushed, tree);
        let context = git::archive(&pushed.objects, &pushed.commit, TreeLimits::default()).await?;
        let built = build::build(&self.engine, &plan, context, tree.ignore.clone(), progress).await?;
        Ok((built, LocalImage::new(&self.engine, &plan.tag)))
    }

    /// The commit is a build argument only where the Dockerfile declares it: elsewhere the same tree at
    /// another commit would build anew.
    fn build_plan(&self, pushed: &PushedCommit, tree: &Tree) -> BuildPlan {
        let args = BTreeMap::from([("GIT_REV".to_owned(), pushed.commit.to_string())]);
        let args = declared_only(args, &String::from_utf8_lossy(&tree.text));
        BuildPlan { args, ..BuildPlan::new(&pushed.app, &tree.dockerfile, self.settings.build_timeout) }
    }

    /// The values that do not depend on what is in the image.
    pub(super) fn values(&self, pushed: &PushedCommit, version: &str, image: ImageRef) -> Values {
        Values {
            version: Some(version.to_owned()),
            commit: Some(pushed.commit.clone()),
            pusher: Some(pushed.pusher.clone()),
            pull_secret: self.registry.has_pull_secret().then(|| PULL_SECRET.to_owned()),
            rollout_timeout: self.settings.rollout_timeout,
            ..Values::new(pushed.app.clone(), image)
        }
    }

    /// The last lines of a deploy that went well.
    pub(super) async fn announce(&self, app: &AppName, released: &Released, took: Duration, progress: &Progress) {
        let seconds = took.as_secs_f64();
        progress.finished(format!("Application deployed: Released {} in {seconds:.1} s", released.revision)).await;
        let cluster_ip = released.cluster_ip.as_deref().unwrap_or("none");
        let url = self.settings.app_url.replace("{app}", app.as_str()).replace("{cluster_ip}", cluster_ip);
        progress.line(url).await;
    }
}

/// What goes into the cluster.
struct Prepared {
    past: Past,
    revision: Revision,
    digest: Digest,
    chart: RenderedChart,
    manifest_text: String,
    local: LocalImage,
}
