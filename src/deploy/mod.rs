//! From a commit to the live release. The only room that knows all the stages.
//!
//! [`Deployer::push`] decides one push inside git's pre-receive hook; [`Deployer::settle`] follows once git has
//! moved the ref, or failed to.

mod dependencies;
mod destroy;
mod doctor;
mod dry_run;
mod error;
mod events;
mod healing;
mod measure;
mod options;
mod order;
mod pipeline;
mod preflight;
mod pull_secret;
mod reach;
mod recording;
mod redeploy;
mod retention;
mod rollback;
mod room;
mod settle;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::apps::Apps;
use crate::build::{Engine, LocalImage};
use crate::chart::Templates;
use crate::domain::{BranchName, Cancel, CommitSha, ObjectStore, Progress, PushedCommit, Revision, Trace};
use crate::git::{self, HookRequest, RefPlan, RepoFacts};
use crate::keys::PushGrant;
use crate::registry::Registry;
use crate::release::lock::{AppLock, Gateway};

pub use doctor::Finding;
pub use error::DeployError;
pub use options::DeployOptions;
use order::{Basis, Order};
pub use redeploy::Redeploy;
pub use rollback::Rollback;

/// What an operator decides about deploys.
#[derive(Debug, Clone)]
pub struct DeploySettings {
    /// Refuse pushes that rewrite a branch.
    pub deny_force: bool,
    /// How long `-o wait` waits for the app's lock.
    pub lock_wait: Duration,
    /// How long a build may take.
    pub build_timeout: Duration,
    /// How long a rollout may take.
    pub rollout_timeout: Duration,
    /// How many revisions of an app are kept.
    pub history_max: NonZeroUsize,
    /// Address of an app, with `{app}` and `{cluster_ip}` to be filled in.
    pub app_url: String,
}

/// The parts a deploy works with; one for the whole process.
pub struct Deployer {
    /// The cluster that apps run in.
    pub cluster: Client,
    /// This process, as locks name it.
    pub gateway: Gateway,
    /// The builder.
    pub engine: Engine,
    /// The registry, with its two addresses.
    pub registry: Registry,
    /// The apps in it, as far as slipway reaches.
    pub apps: Apps,
    /// The app chart.
    pub templates: Templates,
    /// What the operator decided.
    pub settings: DeploySettings,
    /// Ends what can still be cancelled, when the time for draining is over.
    pub stop: CancellationToken,
}

/// One push as it reaches the pre-receive hook.
pub struct IncomingPush<'a> {
    /// The right to push to the app.
    pub grant: &'a PushGrant,
    /// What git says of the push.
    pub request: &'a HookRequest,
    /// The app's repository.
    pub repository: &'a Path,
    /// The client's address.
    pub remote: SocketAddr,
    /// Where its phases are seen.
    pub trace: &'a Trace,
}

/// What a push asks for, and what was decided on it.
struct Judged {
    options: DeployOptions,
    facts: RepoFacts,
    plan: RefPlan,
}

/// A push that was let through, until git has moved its refs.
#[must_use = "the app stays locked until the push is settled"]
pub struct Deployed {
    lock: AppLock,
    local: LocalImage,
    branch: BranchName,
    commit: CommitSha,
    revision: Revision,
    trace: Trace,
}

impl Deployer {
    /// Decides one push: ref policy, preflight, lock, build, publish, release.
    ///
    /// `None` when git may take the push and nothing had to be deployed. What is returned otherwise
    /// holds the app's lock and has to be given to [`Deployer::settle`] after git ended: were the
    /// lock free before the ref has moved, a second push could deploy on top of the old ref and
    /// then fail to move it.
    ///
    /// # Errors
    /// Why git has to refuse the push; `Display` is for the pusher.
    pub async fn push(
        self: &Arc<Self>,
        push: &IncomingPush<'_>,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Option<Deployed>, DeployError> {
        let objects =
            ObjectStore { repository: push.repository.to_path_buf(), quarantine: push.request.quarantine.clone() };
        let judged = self.judge(push, &objects, cancel).await;
        let judged = judged.inspect_err(|error| {
            push.trace.fail(error);
            let (app, user) = (push.grant.app(), push.grant.user());
            tracing::warn!(%app, %user, remote = %push.remote, error = crate::telemetry::chain(error), "push refused");
        })?;
        for note in &judged.plan.notes {
            progress.line(note.as_str()).await;
        }
        let Some((branch, commit)) = judged.plan.deploy.clone() else {
            // What deploys nothing would be stored: not in a dry run.
            return if judged.options.dry_run { Err(DeployError::DryRun) } else { Ok(None) };
        };
        let pushed =
            PushedCommit { app: push.grant.app().clone(), commit, branch, pusher: push.grant.user().clone(), objects };
        let Judged { options, facts, plan } = judged;
        let basis = Basis::Push(&push.request.updates, &facts, &plan);
        let order = Order { grant: push.grant, pushed, options, basis, remote: push.remote, trace: push.trace.clone() };
        self.logged(order, progress, cancel).await.map(Some)
    }

    /// What the push asks for, and what becomes of its refs.
    async fn judge(
        &self,
        push: &IncomingPush<'_>,
        objects: &ObjectStore,
        cancel: &Cancel,
    ) -> Result<Judged, DeployError> {
        let options = DeployOptions::parse(&push.request.options)?;
        let facts = cancel.unless_cancelled(git::facts(objects, &push.request.updates)).await??;
        let plan = git::plan(&push.request.updates, &facts, self.settings.deny_force)?;
        // The claim of the name is part of the deploy: what is not claimed must not be written to.
        if plan.deploy.is_none() && push.grant.creates() {
            return Err(DeployError::NothingToCreate(push.grant.app().clone()));
        }
        Ok(Judged { options, facts, plan })
    }
}
