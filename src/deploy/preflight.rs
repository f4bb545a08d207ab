//! What can be known before a build, so that nobody waits for a build that could never go live.

use std::sync::Arc;

use crate::apps;
use crate::build::plan::find_dockerfile;
use crate::chart::{self, Values};
use crate::domain::{ImageRef, Progress, PushedCommit};
use crate::git;
use crate::release::lock::{self, AppLock, LockNote};
use crate::release::{self, Aftermath, Healed};

use super::options::PushOptions;
use super::{DeployError, Deployer, IncomingPush};

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
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Cleared, DeployError> {
        let dockerfile = find_dockerfile(&git::top_level(&pushed.objects, &pushed.commit).await?)?;
        let version = git::describe(&pushed.objects, &pushed.commit).await;
        let trial = chart::render(&self.templates, &self.trial_values(pushed, &version))?;
        self.engine.ping().await?;
        self.registry.ping().await?;

        let grant = push.grant;
        apps::claim(&self.cluster, grant.app(), grant.user(), grant.admin(), grant.creates()).await?;
        let lock = self.lock(pushed, options, progress).await?;
        self.branch_still_there(push, pushed).await?;
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

    /// git compares the old id when it moves the ref, which is after the release is live: so it is
    /// compared here, under the lock, first.
    async fn branch_still_there(&self, push: &IncomingPush<'_>, pushed: &PushedCommit) -> Result<(), DeployError> {
        let reference = pushed.branch.to_ref();
        let now = git::ref_value(push.repository, &reference).await?;
        let expected =
            push.request.updates.iter().find(|update| update.reference == reference).map(|update| &update.old);
        match expected.filter(|old| !old.is_zero()) == now.as_ref() {
            true => Ok(()),
            false => Err(DeployError::Moved(pushed.branch.clone())),
        }
    }

    /// Undoes what a killed gateway left. A push does not go on top of what could not be undone.
    async fn heal_first(&self, lock: &AppLock, progress: &Progress) -> Result<(), DeployError> {
        match release::heal(&self.cluster, lock, progress).await? {
            Some(Healed { revision, outcome: Aftermath::NotRolledBack { why, .. } | Aftermath::NotRemoved(why) }) => {
                Err(DeployError::NotHealed { revision, why })
            }
            _ => Ok(()),
        }
    }

    /// Values with a digest that no image has: the first rendering finds what is wrong with the chart,
    /// not with the image.
    fn trial_values(&self, pushed: &PushedCommit, version: &str) -> Values {
        let placeholder = ImageRef::verbatim(format!("placeholder/{}@sha256:{}", pushed.app, "0".repeat(64)));
        self.values(pushed, version, placeholder)
    }
}
