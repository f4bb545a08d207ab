//! Going back to an earlier revision. Nothing is built, and no ref moves.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Instrument;

use crate::domain::{Cancel, Progress, Revision, Trace, traced};
use crate::keys::PushGrant;
use crate::logs::Head;
use crate::release::lock::LockNote;
use crate::release::{self, RollbackRequest, RolledBack};

use super::events::News;
use super::measure::{Running, trace_outcome};
use super::options::DeployOptions;
use super::recording::recorded;
use super::{DeployError, Deployer};

/// The wish to go back.
pub struct Rollback<'a> {
    /// The right to push to the app.
    pub grant: &'a PushGrant,
    /// The app's repository, which keeps what is printed.
    pub repository: &'a Path,
    /// The revision; by default what served before the newest one.
    pub to: Option<Revision>,
    /// How it is to be done.
    pub options: DeployOptions,
    /// The client's address.
    pub remote: SocketAddr,
}

impl Deployer {
    /// Deploys an earlier revision again, as a new one.
    ///
    /// # Errors
    /// `Display` is for the client.
    pub async fn rollback(
        self: &Arc<Self>,
        rollback: &Rollback<'_>,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<RolledBack, DeployError> {
        let (app, user) = (rollback.grant.app(), rollback.grant.user());
        let (id, trace) = (uuid::Uuid::new_v4(), Trace::begin("rollback", app, user, rollback.remote));
        trace.run(id);
        let span = tracing::info_span!(
            "rollback", deploy_id = %id, %app, %user, remote = %rollback.remote
        );
        let went = async {
            let running = Running::new("rollback");
            let head = Head { what: "rollback".into(), user: user.clone(), commit: None, began: Timestamp::now() };
            let work = async |progress: Progress| Box::pin(self.roll_back(rollback, &progress, cancel)).await;
            let result = recorded(rollback.repository, head, progress, work, |back| back.released.revision).await;
            running.ended(&result);
            trace_outcome(&trace, &result);
            match &result {
                Ok(back) => {
                    trace.revision(back.released.revision);
                    tracing::info!(revision = %back.released.revision, to = %back.to, "rolled back");
                    self.tell(app, News::rolled_back(back.released.revision, back.to, user));
                }
                Err(error) => {
                    tracing::warn!(error = crate::telemetry::chain(error), "rollback refused or failed");
                    News::failed(error).into_iter().for_each(|news| self.tell(app, news));
                }
            }
            result
        };
        trace.follow(went.instrument(span)).await
    }

    async fn roll_back(
        self: &Arc<Self>,
        rollback: &Rollback<'_>,
        progress: &Progress,
        cancel: &Cancel,
    ) -> Result<RolledBack, DeployError> {
        let began = Instant::now();
        let (app, user) = (rollback.grant.app(), rollback.grant.user());
        let note = LockNote { user: Some(user.clone()), commit: None };
        let locked = async {
            let lock = self.lock(app, &note, rollback.options, progress).await?;
            self.heal_first(&lock, progress).await?;
            self.write_pull_secret(app).await?;
            Ok::<_, DeployError>(lock)
        };
        let lock = self.while_wanted(cancel, Box::pin(traced("preflight", locked))).await?;
        cancel.commit()?;
        let request = RollbackRequest {
            to: rollback.to,
            by: user.clone(),
            timeout: self.settings.rollout_timeout,
            on_failure: rollback.options.on_failure(),
        };
        let back = Box::pin(release::rollback(&self.cluster, &lock, request, progress));
        let back = traced("release", back).await;
        let back = back.inspect_err(|error| self.heal_what_is_left(app, error));
        if let Ok(back) = &back {
            self.announce(app, &back.released, began.elapsed(), progress).await;
            self.trim_history(&lock).await;
        }
        lock.release().await;
        Ok(back?)
    }
}
