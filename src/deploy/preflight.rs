//! What can be known before a build, so that nobody waits for a build that could never go live.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use metrics::counter;

use crate::build::plan::{find_dockerfile, ignore_files};
use crate::chart::{self, Values};
use crate::domain::{AppName, ImageRef, Progress, PushedCommit, metric, traced};
use crate::git;
use crate::release::lock::{self, AppLock, LockError, LockNote};
use crate::release::{self, Catalog, Health, Past};

use super::healing::undone;
use super::options::DeployOptions;
use super::order::{Basis, Order};
use super::{DeployError, Deployer};

/// The largest Dockerfile and ignore file that are read, in bytes.
const SMALL_FILE: u64 = 1 << 20;
/// How long a push waits while what a gateway left behind is undone.
const HEALING: Duration = Duration::from_secs(120);

/// What the preflight found out, for the stages after it.
pub struct Cleared {
    /// Held from here on.
    pub lock: AppLock,
    /// The pushed tree.
    pub tree: Tree,
    /// Where the server keeps the kinds of the chart.
    pub catalog: Catalog,
}

/// What is known of a pushed tree.
pub struct Tree {
    /// Path of the Dockerfile in it.
    pub dockerfile: String,
    /// What is in it.
    pub text: Vec<u8>,
    /// What is in the file that says what the build does not get to see, if there is one.
    pub ignore: Option<Vec<u8>>,
    /// `git describe`, or the short commit.
    pub version: String,
}

impl Deployer {
    /// Everything that comes before the build. On success the app's namespace exists and is locked.
    pub(super) async fn preflight(
        self: &Arc<Self>,
        order: &Order<'_>,
        progress: &Progress,
    ) -> Result<Cleared, DeployError> {
        let Order { grant, pushed, options, .. } = order;
        let engine = async { Ok(self.engine.ping().await?) };
        let registry = async { Ok(self.registry.ping(&pushed.app).await?) };
        let (tree, (), ()) = tokio::try_join!(self.tree(pushed), engine, registry)?;
        let trial = chart::render(&self.templates, &self.trial_values(pushed, &tree.version))?;
        self.apps.claim(grant.app(), grant.user(), grant.admin(), grant.creates()).await?;
        let lock = self.lock_for(pushed, *options, progress).await?;
        let (holds, past) = tokio::join!(self.still_holds(order), self.heal_first(&lock, progress));
        holds?;
        let catalog = traced("dry-run", release::dry_run(&self.cluster, &pushed.app, &trial, past?)).await?;
        Ok(Cleared { lock, tree, catalog })
    }

    pub(super) async fn tree(&self, pushed: &PushedCommit) -> Result<Tree, DeployError> {
        let files = async {
            let dockerfile = find_dockerfile(&git::top_level(&pushed.objects, &pushed.commit).await?)?;
            let text = async { read(pushed, &dockerfile).await.map(Option::unwrap_or_default) };
            let (text, ignore) = tokio::try_join!(text, ignore_file(pushed, &dockerfile))?;
            Ok::<_, DeployError>((dockerfile, text, ignore))
        };
        let (files, version) = tokio::join!(files, git::describe(&pushed.objects, &pushed.commit));
        let (dockerfile, text, ignore) = files?;
        Ok(Tree { dockerfile, text, ignore, version })
    }

    /// The app's lock for a push, which says whose and what it is.
    pub(super) async fn lock_for(
        &self,
        pushed: &PushedCommit,
        options: DeployOptions,
        progress: &Progress,
    ) -> Result<AppLock, DeployError> {
        let note = LockNote { user: Some(pushed.pusher.clone()), commit: Some(pushed.commit.clone()) };
        self.lock(&pushed.app, &note, options, progress).await
    }

    pub(super) async fn lock(
        &self,
        app: &AppName,
        note: &LockNote,
        options: DeployOptions,
        progress: &Progress,
    ) -> Result<AppLock, DeployError> {
        self.apps.take_rights(app).await?;
        let taken = traced("lock", self.take_lock(app, note, options, progress)).await;
        if let Err(LockError::Busy(_) | LockError::StillBusy { .. }) = &taken {
            counter!(metric::LOCK_REFUSALS_TOTAL).increment(1);
        }
        Ok(taken?)
    }

    async fn take_lock(
        &self,
        app: &AppName,
        note: &LockNote,
        options: DeployOptions,
        progress: &Progress,
    ) -> Result<AppLock, LockError> {
        let (cluster, gateway) = (&self.cluster, &self.gateway);
        if options.wait {
            let limit = self.settings.lock_wait;
            return lock::acquire_waiting(cluster, app, gateway, note, limit, progress).await;
        }
        match lock::acquire(cluster, app, gateway, note).await {
            // Nobody deploys, and what is undone would have to be undone first anyway.
            Err(LockError::Busy(busy)) if busy.is_healing() => {
                lock::acquire_waiting(cluster, app, gateway, note, HEALING, progress).await
            }
            taken => taken,
        }
    }

    /// What was decided before the lock was held may not hold any more, and git looks at the refs again only after the
    /// release is live: so it is decided again, first.
    async fn still_holds(&self, order: &Order<'_>) -> Result<(), DeployError> {
        let pushed = &order.pushed;
        let holds = match &order.basis {
            Basis::Push(updates, facts, plan) => {
                let facts = git::facts_now(&pushed.objects, (*facts).clone()).await?;
                git::plan(updates, &facts, self.settings.deny_force).is_ok_and(|now| now.deploy == plan.deploy)
            }
            Basis::Branch => {
                let head = git::deploy_head(&pushed.objects).await?;
                head.is_some_and(|(branch, commit)| branch == pushed.branch && commit == pushed.commit)
            }
        };
        if holds { Ok(()) } else { Err(DeployError::Overtaken(pushed.app.clone())) }
    }

    /// Undoes what a killed gateway left; where it left nothing, what the app's records say. A push does not go on top of what
    /// could not be undone.
    pub(super) async fn heal_first(&self, lock: &AppLock, progress: &Progress) -> Result<Option<Past>, DeployError> {
        match traced("heal", release::heal(&self.cluster, lock, progress)).await? {
            Health::Sound(past) => Ok(Some(*past)),
            Health::Healed(healed) => undone(healed).map(|_| None),
        }
    }

    /// Values with a digest that no image has: the first rendering finds what is wrong with the chart,
    /// not with the image. The registry is the real one, which admission policies may ask for.
    pub(super) fn trial_values(&self, pushed: &PushedCommit, version: &str) -> Values {
        let repository = self.registry.pull_address().name(&pushed.app);
        let placeholder = ImageRef::verbatim(format!("{repository}@sha256:{}", no_digest()));
        self.values(pushed, version, placeholder)
    }
}

/// The first that is there of those that may be.
async fn ignore_file(pushed: &PushedCommit, dockerfile: &str) -> Result<Option<Vec<u8>>, DeployError> {
    let paths = ignore_files(dockerfile);
    let found = try_join_all(paths.iter().map(|path| read(pushed, path))).await?;
    Ok(found.into_iter().flatten().next())
}

async fn read(pushed: &PushedCommit, path: &str) -> Result<Option<Vec<u8>>, DeployError> {
    Ok(git::read_file(&pushed.objects, &pushed.commit, path, SMALL_FILE).await?)
}

/// The digits of a digest that no image has.
pub(super) fn no_digest() -> String {
    "0".repeat(64)
}
