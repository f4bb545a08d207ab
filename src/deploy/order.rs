//! One deploy, whatever asked for it.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tracing::Instrument;

use crate::domain::{Cancel, Cancelled, Progress, PushedCommit, Trace};
use crate::git::{RefPlan, RefUpdate, RepoFacts};
use crate::keys::PushGrant;
use crate::logs::Head;

use super::events::News;
use super::measure::{Running, trace_outcome};
use super::options::DeployOptions;
use super::recording::recorded;
use super::{DeployError, Deployed, Deployer};

/// One deploy: what, by whose right, and how.
pub(super) struct Order<'a> {
    pub grant: &'a PushGrant,
    pub pushed: PushedCommit,
    pub options: DeployOptions,
    pub basis: Basis<'a>,
    pub remote: SocketAddr,
    pub trace: Trace,
}

/// What a deploy was decided on before the app was locked. It has to hold afterwards as well.
pub(super) enum Basis<'a> {
    /// A push that is to move refs.
    Push(&'a [RefUpdate], &'a RepoFacts, &'a RefPlan),
    /// The deploy branch is where it is.
    Branch,
}

impl Order<'_> {
    /// What it is counted as.
    fn kind(&self) -> &'static str {
        match self.basis {
            Basis::Push(..) => "push",
            Basis::Branch => "redeploy",
        }
    }

    /// What its log begins with.
    fn head(&self) -> Head {
        let PushedCommit { commit, pusher, .. } = &self.pushed;
        Head {
            what: self.kind().to_owned(),
            user: pusher.clone(),
            commit: Some(commit.clone()),
            began: Timestamp::now(),
        }
    }

    /// Its first line in the terminal.
    pub fn title(&self) -> String {
        let PushedCommit { branch, commit, pusher, .. } = &self.pushed;
        match self.basis {
            Basis::Push(..) => format!("Receiving {branch} at {} from {pusher}", commit.short()),
            Basis::Branch => format!("Redeploying {branch} at {} for {pusher}", commit.short()),
        }
    }
}

impl Deployer {
    /// The deploy with its first and last log line.
    pub(super) async fn logged(
        self: &Arc<Self>,
        order: Order<'_>,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Deployed, DeployError> {
        let (pushed, id) = (&order.pushed, uuid::Uuid::new_v4());
        order.trace.run(id);
        order.trace.head(&pushed.branch, &pushed.commit);
        let span = tracing::info_span!(
            "deploy", deploy_id = %id, app = %pushed.app, commit = %pushed.commit,
            user = %pushed.pusher, remote = %order.remote
        );
        self.timed(order, progress, cancel).instrument(span).await
    }

    async fn timed(
        self: &Arc<Self>,
        order: Order<'_>,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Deployed, DeployError> {
        let running = Running::new(order.kind());
        let (app, user, trace) = (order.pushed.app.clone(), order.pushed.pusher.clone(), order.trace.clone());
        tracing::info!(branch = %order.pushed.branch, "deploy begins");
        let result = Box::pin(self.kept(order, progress, cancel)).await;
        let seconds = running.ended(&result);
        trace_outcome(&trace, &result);
        match &result {
            Ok(deployed) => {
                tracing::info!(revision = %deployed.revision, seconds, "deployed");
                self.tell(&app, News::deployed(deployed.revision, deployed.commit.short(), &user));
            }
            Err(error) => {
                tracing::warn!(error = crate::telemetry::chain(error), seconds, "deploy refused or failed");
                News::failed(error).into_iter().for_each(|news| self.tell(&app, news));
            }
        }
        result
    }

    /// The deploy, what it prints being kept. A dry run is none.
    async fn kept(
        self: &Arc<Self>,
        order: Order<'_>,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<Deployed, DeployError> {
        if order.options.dry_run {
            return self.deploy(order, progress, cancel).await;
        }
        let (repository, head) = (order.pushed.objects.repository.clone(), order.head());
        let deploy = async |progress: Progress| self.deploy(order, &progress, cancel).await;
        recorded(&repository, head, progress, deploy, |deployed| deployed.revision).await
    }

    /// Runs what a cancelled deploy may leave undone, until the client goes or slipway has to end.
    pub(super) async fn while_wanted<T>(
        &self,
        cancel: &Cancel,
        work: impl Future<Output = Result<T, DeployError>>,
    ) -> Result<T, DeployError> {
        tokio::select! {
            result = cancel.unless_cancelled(work) => result?,
            () = self.stop.cancelled() => Err(Cancelled.into()),
        }
    }
}
