//! A push, as the pre-receive hook reports it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::auth::PushGrant;
use crate::domain::{CancelHandle, DeployTrace, GitObjects, Progress, PushedCommit};
use crate::git::{self, HookRequest, PushFacts, RefDecision};

use super::deployer::Deployer;
use super::error::DeployError;
use super::live_deploy::LiveDeploy;
use super::options::DeployOptions;
use super::request::{DeployRequest, Trigger};

pub struct IncomingPush<'a> {
    pub grant: &'a PushGrant,
    pub request: &'a HookRequest,
    pub repository: &'a Path,
    /// The client's address.
    pub remote: SocketAddr,
    pub trace: &'a DeployTrace,
}

/// The options of a push that the ref policy allows, and the decision on its refs.
struct PushDecision {
    options: DeployOptions,
    facts: PushFacts,
    refs: RefDecision,
}

impl Deployer {
    /// Decides a push by the ref policy, and deploys its commit if the push moves the deploy branch.
    ///
    /// None if git can accept the push without a deploy. A [`LiveDeploy`] has to be passed to [`Deployer::finalize`]
    /// after git has ended.
    ///
    /// # Errors
    /// The reason why git has to refuse the push, with a message for the pusher.
    pub async fn push(
        self: &Arc<Self>,
        push: &IncomingPush<'_>,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<Option<LiveDeploy>, DeployError> {
        let objects =
            GitObjects { repository: push.repository.to_path_buf(), quarantine: push.request.quarantine.clone() };
        let decision = self.decide_push(push, &objects, cancel).await;
        let PushDecision { options, facts, refs } = decision.inspect_err(|error| {
            push.trace.record_failure(error);
            let (app, user) = (push.grant.app(), push.grant.user());
            let error = crate::telemetry::error_chain(error);
            tracing::warn!(%app, %user, remote = %push.remote, error, "push refused");
        })?;
        for note in &refs.notes {
            progress.log(note.as_str()).await;
        }
        let Some((branch, commit)) = refs.deploy.clone() else {
            // git would store the refs of an accepted push, and a dry run must not change anything.
            return if options.dry_run { Err(DeployError::DryRun) } else { Ok(None) };
        };
        let pushed =
            PushedCommit { app: push.grant.app().clone(), commit, branch, pusher: push.grant.user().clone(), objects };
        let trigger = Trigger::Push(&push.request.updates, &facts, &refs);
        let (grant, trace) = (push.grant, push.trace.clone());
        let request = DeployRequest { grant, pushed, options, trigger, remote: push.remote, trace };
        self.run_logged(request, progress, cancel).await.map(Some)
    }

    async fn decide_push(
        &self,
        push: &IncomingPush<'_>,
        objects: &GitObjects,
        cancel: &CancelHandle,
    ) -> Result<PushDecision, DeployError> {
        let options = DeployOptions::parse(&push.request.options)?;
        let facts = cancel.unless_cancelled(git::push_facts(objects, &push.request.updates)).await??;
        let refs = git::decide_refs(&push.request.updates, &facts, self.settings.deny_force)?;
        // The deploy claims the app's name. Without a deploy, git would store refs in the repository of an unclaimed
        // name.
        if refs.deploy.is_none() && push.grant.creates_app() {
            return Err(DeployError::FirstPushWithoutBranch(push.grant.app().clone()));
        }
        Ok(PushDecision { options, facts, refs })
    }
}
