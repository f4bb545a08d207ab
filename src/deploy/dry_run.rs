//! `git push -o dry-run`: everything up to the apply, and what that would change.

use std::sync::Arc;

use crate::chart::{self, Values};
use crate::domain::{Cancel, Progress, traced};
use crate::release;

use super::order::Order;
use super::preflight::no_digest;
use super::{DeployError, Deployed, Deployer};

impl Deployer {
    /// Builds, shows what the release would change, and refuses the push. The image is not pushed, so its digest is not
    /// known. An app that does not exist yet is not created, and cannot be tried on the server.
    pub(super) async fn dry_run(
        self: &Arc<Self>,
        order: &Order<'_>,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Deployed, DeployError> {
        self.while_wanted(cancel, Box::pin(self.try_out(order, progress))).await?;
        Err(DeployError::DryRun)
    }

    async fn try_out(self: &Arc<Self>, order: &Order<'_>, progress: &Progress) -> Result<(), DeployError> {
        let Order { grant, pushed, options, .. } = order;
        let tree = self.tree(pushed).await?;
        self.engine.ping().await?;
        // Without the lock another push of the app would take its image away.
        let lock = match grant.creates() {
            true => None,
            false => Some(self.lock_for(pushed, *options, progress).await?),
        };
        let (image, local) = traced("build", self.built(pushed, &tree, progress)).await?;
        local.discard().await;
        let values =
            Values { exposed_port: image.exposed_port, user: image.user, ..self.trial_values(pushed, &tree.version) };
        let chart = chart::render(&self.templates, &values)?;
        progress.stage(format!("Comparing with what {} runs", pushed.app)).await;
        let changes = release::preview(&self.cluster, &pushed.app, &chart, lock.is_some()).await?;
        if lock.is_none() {
            progress.line(format!("{} is not there yet: the cluster was not asked", pushed.app)).await;
        }
        progress.line(changes.replace(&no_digest(), "(known once it is pushed)")).await;
        if let Some(lock) = lock {
            lock.release().await;
        }
        Ok(())
    }
}
