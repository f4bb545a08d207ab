//! What can be known before a build, so that nobody waits for a build that could never go live.

use std::sync::Arc;

use crate::apps;
use crate::build::plan::find_dockerfile;
use crate::chart::{self, Values};
use crate::domain::{ImageRef, Progress, PushedCommit};
use crate::git;
use crate::release;
use crate::release::lock::{self, AppLock, LockNote};

use super::healing::undone;
use super::options::PushOptions;
use super::{DeployError, Deployer, IncomingPush, Judged};

/// What the preflight found out, for the stages after it.
pub struct Cleared {
    /// Held from here on.
    pub lock: AppLock,
    /// Path of the Dockerfile in the tree.
    pub dockerfile: String,
    /// `git describe`, or the short commit.
    pub version: String,
}

impl Deployer {
    /// Everything that comes before the build. On success the app's namespace exists and is locked.
    pub(super) async fn preflight(
        self: &Arc<Self>,
        push: &IncomingPush<'_>,
        pushed: &PushedCommit,
        judged: &Judged,
        progress: &Progress,
    ) -> Result<Cleared, DeployError> {
        let dockerfile = find_dockerfile(&git::top_level(&pushed.objects, &pushed.commit).await?)?;
        let version = git::describe(&pushed.objects, &pushed.commit).await;
        let trial = chart::render(&self.templates, &self.trial_values(pushed, &version))?;
        self.engine.ping().await?;
        self.registry.ping(&pushed.app).await?;

        let grant = push.grant;
        apps::claim(&self.cluster, grant.app(), grant.user(), grant.admin(), grant.creates()).await?;
        let lock = self.lock(pushed, judged.options, progress).await?;
        self.still_as_judged(push, pushed, judged).await?;
        self.heal_first(&lock, progress).await?;
        release::dry_run(&self.cluster, &pushed.app, &trial).await?;
        Ok(Cleared { lock, dockerfile, version })
    }

    async fn lock(
        &self,
        pushed: &PushedCommit,
        options: PushOptions,
        progress: &Progress,
    ) -> Result<AppLock, DeployError> {
        let note = LockNote { user: Some(pushed.pusher.clone()), commit: Some(pushed.commit.clone()) };
        let (cluster, app, gateway) = (&self.cluster, &pushed.app, &self.gateway);
        let lock = match options.wait {
            true => lock::acquire_waiting(cluster, app, gateway, &note, self.settings.lock_wait, progress).await?,
            false => lock::acquire(cluster, app, gateway, &note).await?,
        };
        Ok(lock)
    }

    /// What was decided before the lock was held may not hold any more, and git looks at the refs again only after the
    /// release is live: so it is decided again, first.
    async fn still_as_judged(
        &self,
        push: &IncomingPush<'_>,
        pushed: &PushedCommit,
        judged: &Judged,
    ) -> Result<(), DeployError> {
        let facts = git::facts_now(&pushed.objects, judged.facts.clone()).await?;
        match git::plan(&push.request.updates, &facts, self.settings.deny_force) {
            Ok(plan) if plan.deploy == judged.plan.deploy => Ok(()),
            _ => Err(DeployError::Overtaken(pushed.app.clone())),
        }
    }

    /// Undoes what a killed gateway left. A push does not go on top of what could not be undone.
    async fn heal_first(&self, lock: &AppLock, progress: &Progress) -> Result<(), DeployError> {
        release::heal(&self.cluster, lock, progress).await?.map(undone).transpose().map(drop)
    }

    /// Values with a digest that no image has: the first rendering finds what is wrong with the chart,
    /// not with the image. The registry is the real one, which admission policies may ask for.
    fn trial_values(&self, pushed: &PushedCommit, version: &str) -> Values {
        let repository = self.registry.pull_address().name(&pushed.app);
        let placeholder = ImageRef::verbatim(format!("{repository}@sha256:{}", "0".repeat(64)));
        self.values(pushed, version, placeholder)
    }
}
