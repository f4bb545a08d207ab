//! The task that renews a Lease for as long as it is wanted, and then gives it back.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::PostParams;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::lease::{self, is_held};
use crate::clusters::{CallError, once};

/// The time between two renewals.
const RENEW: Duration = Duration::from_secs(5);
/// The time until a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long one request may take: a black hole must not eat the whole Lease.
const REQUEST: Duration = Duration::from_secs(3);

enum Renewal {
    Done(Box<Lease>),
    /// It belongs to someone else now, or to nobody.
    Lost,
    /// Nothing is known.
    Failed(CallError),
}

/// Renews `lease` until `stop`, then releases it.
pub(super) async fn keep(leases: Api<Lease>, mut lease: Lease, shared: Arc<Shared>, stop: CancellationToken) {
    let mut pause = RENEW;
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        let sent = Instant::now();
        match write(&leases, &lease, &shared, |lease| lease::renewed(lease, shared.clock.now())).await {
            Renewal::Done(new) => {
                lease = *new;
                shared.renewed_at(sent);
                pause = RENEW;
            }
            Renewal::Lost => {
                tracing::error!(namespace = leases.namespace(), "the deploy lock belongs to someone else now");
                shared.lost.cancel();
                return;
            }
            Renewal::Failed(error) => {
                tracing::warn!(namespace = leases.namespace(), %error, "the deploy lock could not be renewed");
                pause = AGAIN;
            }
        }
    }
    release(&leases, &lease, &shared).await;
}

/// Tries for as long as the Lease would last by itself: the next push need not wait for that.
async fn release(leases: &Api<Lease>, lease: &Lease, shared: &Shared) {
    shared.lost.cancel();
    let expiry = Instant::now() + lease::DURATION;
    while let Renewal::Failed(error) = write(leases, lease, shared, lease::released).await {
        if Instant::now() + AGAIN > expiry {
            let namespace = leases.namespace();
            return tracing::warn!(namespace, %error, "the deploy lock could not be released; it will expire");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Replaces the lease by what `change` makes of it. A write whose answer got lost, or an edit by hand, shows as a
/// conflict: then the Lease is read again, and changed only if it is still ours.
async fn write(leases: &Api<Lease>, lease: &Lease, shared: &Shared, change: impl Fn(Lease) -> Lease) -> Renewal {
    match replace(leases, &change(lease.clone())).await {
        Ok(new) => return Renewal::Done(Box::new(new)),
        Err(error) if error.is_not_found() => return Renewal::Lost,
        Err(error) if error.is_conflict() => {}
        Err(error) => return Renewal::Failed(error),
    }
    match once("reading the deploy lock", REQUEST, leases.get_opt(lease::NAME)).await {
        Ok(Some(current)) if is_held(&current, &shared.ticket) => match replace(leases, &change(current)).await {
            Ok(new) => Renewal::Done(Box::new(new)),
            Err(error) => Renewal::Failed(error),
        },
        Ok(_) => Renewal::Lost,
        Err(error) => Renewal::Failed(error),
    }
}

async fn replace(leases: &Api<Lease>, lease: &Lease) -> Result<Lease, CallError> {
    once("writing the deploy lock", REQUEST, leases.replace(lease::NAME, &PostParams::default(), lease)).await
}
