//! The task that renews a Lease while its lock is held, and then releases it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::api::LeaseApi;
use super::error::LossCause;
use super::hold::Hold;
use super::lease::{self, LEASE_DURATION, is_held_by};
use crate::k8s::ApiError;

/// Time between two renewals.
const RENEW_INTERVAL: Duration = Duration::from_secs(5);
/// Time until a failed renewal or release is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Limit for one request: a request without an answer must leave time for another before the Lease expires.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// Result of an update of the Lease.
enum LeaseUpdate {
    Written(Box<Lease>),
    /// The Lease is gone, or another holder's.
    Lost(LossCause),
    /// Whether the Lease was written is unknown.
    Failed(ApiError),
}

/// Renews `lease` until `stop` is cancelled, then releases it.
pub(super) async fn renew_until_stopped(leases: LeaseApi, mut lease: Lease, hold: Arc<Hold>, stop: CancellationToken) {
    let mut pause = RENEW_INTERVAL;
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        let sent = Instant::now();
        match update_lease(&leases, &lease, &hold, |lease| lease::with_renew_time(lease, hold.clock.now())).await {
            LeaseUpdate::Written(new) => {
                lease = *new;
                hold.set_renewed(sent);
                pause = RENEW_INTERVAL;
            }
            LeaseUpdate::Lost(cause) => {
                let (namespace, lease) = (leases.namespace(), leases.name());
                tracing::error!(namespace, lease, reason = %cause, "the deploy lock was lost");
                hold.set_lost(cause);
                return;
            }
            LeaseUpdate::Failed(error) => {
                tracing::warn!(namespace = leases.namespace(), lease = leases.name(), %error, "the deploy lock could not be renewed");
                pause = RETRY_INTERVAL;
            }
        }
    }
    release(&leases, &lease, &hold).await;
}

/// Releases the Lease, with retries until it would expire by itself: the next push then need not wait for that.
async fn release(leases: &LeaseApi, lease: &Lease, hold: &Hold) {
    hold.lost.cancel();
    let expiry = Instant::now() + LEASE_DURATION;
    while let LeaseUpdate::Failed(error) = update_lease(leases, lease, hold, lease::without_holder).await {
        if Instant::now() + RETRY_INTERVAL > expiry {
            let (namespace, lease) = (leases.namespace(), leases.name());
            return tracing::warn!(namespace, lease, %error, "the deploy lock could not be released; its Lease will expire");
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Replaces the Lease by the result of `change`. A conflict means an own write whose answer was lost, an edit by
/// hand, or another holder: the Lease is read again, and replaced only if this lock still holds it.
async fn update_lease(leases: &LeaseApi, lease: &Lease, hold: &Hold, change: impl Fn(Lease) -> Lease) -> LeaseUpdate {
    match leases.replace_once(&change(lease.clone()), REQUEST_TIMEOUT).await {
        Ok(new) => return LeaseUpdate::Written(Box::new(new)),
        Err(error) if error.is_not_found() => return LeaseUpdate::Lost(why_deleted(leases).await),
        Err(error) if error.is_conflict() => {}
        Err(error) => return LeaseUpdate::Failed(error),
    }
    match leases.read_once(REQUEST_TIMEOUT).await {
        Ok(Some(current)) if is_held_by(&current, &hold.claim) => {
            match leases.replace_once(&change(current), REQUEST_TIMEOUT).await {
                Ok(new) => LeaseUpdate::Written(Box::new(new)),
                Err(error) => LeaseUpdate::Failed(error),
            }
        }
        Ok(Some(_)) => LeaseUpdate::Lost(LossCause::TakenOver),
        Ok(None) => LeaseUpdate::Lost(why_deleted(leases).await),
        Err(error) => LeaseUpdate::Failed(error),
    }
}

async fn why_deleted(leases: &LeaseApi) -> LossCause {
    match leases.is_namespace_deleted(REQUEST_TIMEOUT).await {
        Ok(true) => LossCause::NamespaceDeleted,
        Ok(false) => LossCause::LeaseDeleted,
        Err(error) => {
            tracing::debug!(namespace = leases.namespace(), %error, "cannot read the namespace of a deleted Lease");
            LossCause::LeaseDeleted
        }
    }
}
