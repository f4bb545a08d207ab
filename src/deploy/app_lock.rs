//! Locks an app for a deploy.

use std::time::Duration;

use metrics::counter;

use crate::domain::{AppName, Progress, PushedCommit, Target, in_span, metric_names};
use crate::release::lock::{self, HolderInfo, LockError, ReleaseLock};

use super::deployer::Deployer;
use super::error::DeployError;
use super::options::WhenLocked;

/// How long a deploy waits for a lock that slipway itself holds, for a recovery or a cleanup.
const MAINTENANCE_WAIT: Duration = Duration::from_secs(120);

impl Deployer {
    /// Acquires the app's lock, with the pusher and the commit in the Lease.
    pub(super) async fn lock_for_commit(
        &self,
        pushed: &PushedCommit,
        when_locked: WhenLocked,
        progress: &Progress,
    ) -> Result<ReleaseLock, DeployError> {
        let holder = HolderInfo { user: Some(pushed.pusher.clone()), commit: Some(pushed.commit.clone()) };
        self.lock_app(&pushed.app, &holder, when_locked, progress).await
    }

    pub(super) async fn lock_app(
        &self,
        app: &AppName,
        holder: &HolderInfo,
        when_locked: WhenLocked,
        progress: &Progress,
    ) -> Result<ReleaseLock, DeployError> {
        self.apps.bind_role(app).await?;
        let acquired = in_span("lock", self.acquire_lock(app, holder, when_locked, progress)).await;
        if let Err(LockError::Held(_) | LockError::WaitTimedOut { .. }) = &acquired {
            counter!(metric_names::LOCK_REFUSALS_TOTAL).increment(1);
        }
        Ok(acquired?)
    }

    async fn acquire_lock(
        &self,
        app: &AppName,
        holder: &HolderInfo,
        when_locked: WhenLocked,
        progress: &Progress,
    ) -> Result<ReleaseLock, LockError> {
        let (cluster, target, gateway) = (&self.cluster, &Target::of_app(app), &self.gateway);
        let wait = |limit| lock::acquire_waiting(cluster, target, gateway, holder, limit, progress);
        match when_locked {
            WhenLocked::Wait => wait(self.settings.lock_wait).await,
            WhenLocked::Fail => match lock::acquire(cluster, target, gateway, holder).await {
                // The holder is the recovery of an interrupted release, which this deploy would have to start with
                // anyway, or a cleanup of images, which is short.
                Err(LockError::Held(current)) if current.is_maintenance() => wait(MAINTENANCE_WAIT).await,
                result => result,
            },
        }
    }
}
