//! A push, as the pre-receive hook reports it.

use std::net::SocketAddr;
use std::path::Path;

use crate::auth::PushGrant;
use crate::domain::{BranchName, CancelHandle, CommitSha, DeployTrace, GitObjects, Progress, PushedCommit};
use crate::git::{self, HookRequest, PushFacts, RefDecision, RefPolicy};

use super::deployer::Deployer;
use super::error::DeployError;
use super::options::{DeployMode, PushOptions};
use super::request::{CommitSource, DeployRequest, DeploySource, Trigger};

pub struct IncomingPush<'a> {
    pub grant: &'a PushGrant,
    pub hook: &'a HookRequest,
    pub repository: &'a Path,
    /// Whether the push can move a branch on that another push has moved since its client read the branches.
    pub follow_moved_branches: bool,
    /// The client's address.
    pub remote: SocketAddr,
    pub trace: &'a DeployTrace,
}

/// The outcome for a push that the ref policy allows.
pub enum PushDecision {
    /// git can accept the push once its commit is live.
    Deploy(Box<DeployRequest>),
    /// git can accept the push: it does not move the deploy branch.
    Store,
}

/// The options of a push, and the refs that the ref policy allows.
struct AllowedPush {
    options: PushOptions,
    facts: PushFacts,
    policy: RefPolicy,
    refs: RefDecision,
}

impl Deployer {
    /// Decides a push by the ref policy, and reports the refs that are only stored to `progress`.
    ///
    /// # Errors
    /// The reason why git has to refuse the push, with a message for the pusher.
    pub async fn decide_push(
        &self,
        push: &IncomingPush<'_>,
        progress: &Progress,
        cancel: &CancelHandle,
    ) -> Result<PushDecision, DeployError> {
        let objects =
            GitObjects { repository: push.repository.to_path_buf(), quarantine: push.hook.quarantine.clone() };
        let allowed = self.check_push(push, &objects, cancel).await;
        let AllowedPush { options, facts, policy, refs } = allowed.inspect_err(|error| push.record_refusal(error))?;
        for note in &refs.notes {
            progress.log(note.as_str()).await;
        }
        match (refs.deploy, options.mode) {
            (Some(head), _) => {
                Ok(PushDecision::Deploy(Box::new(push.request(head, (facts, policy), objects, options))))
            }
            // git would store the refs of an accepted push, and a dry run must not change anything.
            (None, DeployMode::DryRun) => Err(DeployError::DryRun),
            (None, DeployMode::Deploy) => Ok(PushDecision::Store),
        }
    }

    async fn check_push(
        &self,
        push: &IncomingPush<'_>,
        objects: &GitObjects,
        cancel: &CancelHandle,
    ) -> Result<AllowedPush, DeployError> {
        let options = PushOptions::parse(&push.hook.options)?;
        let facts = cancel.unless_cancelled(git::push_facts(objects, &push.hook.updates)).await??;
        let policy =
            RefPolicy { deny_force: self.settings.deny_force, follow_moved_branches: push.follow_moved_branches };
        let refs = git::decide_refs(&push.hook.updates, &facts, policy)?;
        // The deploy claims the app's name. Without a deploy, git would store refs in the repository of an unclaimed
        // name.
        if refs.deploy.is_none() && push.grant.creates_app() {
            return Err(DeployError::FirstPushWithoutBranch(push.grant.app().clone()));
        }
        Ok(AllowedPush { options, facts, policy, refs })
    }
}

impl IncomingPush<'_> {
    fn request(
        &self,
        (branch, commit): (BranchName, CommitSha),
        (facts, policy): (PushFacts, RefPolicy),
        objects: GitObjects,
        options: PushOptions,
    ) -> DeployRequest {
        let (app, pusher) = (self.grant.app().clone(), self.grant.user().clone());
        let pushed = PushedCommit { app, commit, branch, pusher, objects };
        let PushOptions { mode, environment, deploy } = options;
        let trigger = Trigger::Push { updates: self.hook.updates.clone(), facts: Box::new(facts), policy };
        DeployRequest {
            grant: self.grant.clone(),
            source: DeploySource::Commit(Box::new(CommitSource { pushed, trigger, mode, environment })),
            options: deploy,
            repository: self.repository.to_path_buf(),
            remote: self.remote,
            trace: self.trace.clone(),
        }
    }

    fn record_refusal(&self, error: &DeployError) {
        self.trace.record_failure(error);
        let (app, user) = (self.grant.app(), self.grant.user());
        let error = crate::telemetry::error_chain(error);
        tracing::warn!(%app, %user, remote = %self.remote, error, "push refused");
    }
}
