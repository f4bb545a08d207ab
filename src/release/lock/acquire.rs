//! Acquires the lock, or waits for it.

use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Client, ResourceExt};
use tokio::time::Instant;
use uuid::Uuid;

use super::api::LeaseApi;
use super::clock::{Clock, last_change};
use super::error::LockError;
use super::lease::{
    self, HolderInfo, HolderState, LeaseState, LockClaim, LockHolder, ProcessIdentity, TAKEOVER_AFTER, is_held_by,
    lease_state,
};
use super::release_lock::ReleaseLock;
use crate::domain::{Progress, Target};

/// Attempts to write the Lease before other writers' success counts as a held lock.
const ATTEMPTS: usize = 5;
/// Pause of a new waiter before it tries again. It shrinks with the time waited, so that earlier waiters come first.
const WAITER_BACKOFF: Duration = Duration::from_millis(300);

/// Acquires the lock of a release, without waiting for another holder.
///
/// # Errors
/// [`LockError::Held`] with the holder; [`LockError::Api`].
pub async fn acquire(
    client: &Client,
    target: &Target,
    process: &ProcessIdentity,
    info: &HolderInfo,
) -> Result<ReleaseLock, LockError> {
    acquire_from(client, target, process, info, None).await
}

/// As [`acquire`]; the Lease is free if it still has the resource version `abandoned`, whose holder the caller found
/// gone.
async fn acquire_from(
    client: &Client,
    target: &Target,
    process: &ProcessIdentity,
    info: &HolderInfo,
    abandoned: Option<String>,
) -> Result<ReleaseLock, LockError> {
    let leases = LeaseApi::new(client, target);
    let claim = LockClaim { process: process.clone(), info: info.clone(), token: Uuid::new_v4() };
    for _ in 0..ATTEMPTS {
        let current = leases.read().await?;
        let state = match &current {
            Some(lease) if abandoned.is_none() || lease.resource_version() != abandoned => {
                lease_state(target, lease, process, Timestamp::now())
            }
            _ => LeaseState::Free,
        };
        match state {
            LeaseState::Held(holder) => return Err(LockError::Held(Box::new(holder))),
            LeaseState::Expired(holder) if is_renewed(&leases, current.as_ref()).await => {
                return Err(LockError::Held(Box::new(holder)));
            }
            LeaseState::Free | LeaseState::Expired(_) => {}
        }
        if let Some(lock) = write_claim(client, target, &leases, current, &claim).await? {
            return Ok(lock);
        }
    }
    let winner = leases.read().await?.unwrap_or_default();
    Err(LockError::Held(Box::new(LockHolder::from_lease(target, &winner, Timestamp::now()))))
}

/// Waits for the lock of a release, at most for `limit`, and reports each holder to `progress`. Of several waiters, the
/// earliest is likely, not certain, to be the next holder.
///
/// # Errors
/// [`LockError::WaitTimedOut`] after `limit`; [`LockError::Api`].
pub async fn acquire_waiting(
    client: &Client,
    target: &Target,
    process: &ProcessIdentity,
    info: &HolderInfo,
    limit: Duration,
    progress: &Progress,
) -> Result<ReleaseLock, LockError> {
    let began = Instant::now();
    let leases = LeaseApi::new(client, target);
    let mut abandoned = None;
    loop {
        let holder = match acquire_from(client, target, process, info, abandoned).await {
            Err(LockError::Held(holder)) => holder,
            result => return result,
        };
        progress.log(format!("waiting: {holder}")).await;
        let waiting = wait_until_free(&leases, target, process, &holder);
        abandoned = match tokio::time::timeout(limit.saturating_sub(began.elapsed()), waiting).await {
            Ok(abandoned) => abandoned,
            Err(_) => return Err(LockError::WaitTimedOut { holder, waited: began.elapsed() }),
        };
        tokio::time::sleep(WAITER_BACKOFF.div_f64(1.0 + began.elapsed().as_secs_f64())).await;
    }
}

/// The state of the holder that the Lease of a release names, by this machine's clock.
///
/// # Errors
/// [`LockError::Api`].
pub async fn holder_state(
    client: &Client,
    target: &Target,
    process: &ProcessIdentity,
) -> Result<HolderState, LockError> {
    let lease = LeaseApi::new(client, target).read().await?;
    Ok(lease.map_or(HolderState::Unheld, |lease| lease::holder_state(&lease, process, Timestamp::now())))
}

/// Writes `claim` into the Lease; `None` if another writer was faster.
async fn write_claim(
    client: &Client,
    target: &Target,
    leases: &LeaseApi,
    current: Option<Lease>,
    claim: &LockClaim,
) -> Result<Option<ReleaseLock>, LockError> {
    let (since, local_time) = (Instant::now(), Timestamp::now());
    let (exists, previous_change) = (current.is_some(), current.as_ref().and_then(last_change));
    let taken_from = current.as_ref().and_then(lease::holder).map(str::to_owned);
    let lease = match leases.take(lease::with_holder(current, claim, local_time)).await {
        Ok(lease) => Some(lease),
        // The conflict is with our own write if the answer to a first attempt was lost.
        Err(error) if error.is_conflict() || error.is_already_exists() => {
            leases.read().await?.filter(|lease| is_held_by(lease, claim))
        }
        Err(error) if error.is_not_found() && exists => None,
        Err(error) => return Err(error.into()),
    };
    Ok(lease.map(|lease| {
        // A time from before this write says nothing about the server's clock now.
        let server_time = last_change(&lease).filter(|time| Some(*time) != previous_change);
        ReleaseLock::hold(
            client,
            target,
            lease,
            claim.clone(),
            since,
            Clock::new(since, local_time, server_time),
            taken_from,
        )
    }))
}

/// Watches a Lease that looks expired; true if it changes, as its holder then is alive.
async fn is_renewed(leases: &LeaseApi, seen: Option<&Lease>) -> bool {
    let version = seen.and_then(ResourceExt::resource_version);
    let mut events = std::pin::pin!(leases.watch());
    let change = async {
        while let Some(event) = events.next().await {
            match event {
                Ok(current) if current.as_ref().and_then(ResourceExt::resource_version) != version => return,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the watch of the deploy lock failed"),
            }
        }
    };
    tokio::time::timeout(TAKEOVER_AFTER, change).await.is_ok()
}

/// Resolves when another attempt is worthwhile: the Lease is free, has a new holder, or was not renewed for
/// [`TAKEOVER_AFTER`]; in the last case its resource version is returned.
async fn wait_until_free(
    leases: &LeaseApi,
    target: &Target,
    process: &ProcessIdentity,
    holder: &LockHolder,
) -> Option<String> {
    let mut events = std::pin::pin!(leases.watch());
    let mut seen: Option<Lease> = None;
    let mut deadline = Instant::now() + TAKEOVER_AFTER;
    loop {
        let event = match tokio::time::timeout_at(deadline, events.next()).await {
            Err(_) => return seen.and_then(|lease| lease.resource_version()),
            Ok(event) => event?,
        };
        let current = match event {
            Ok(current) => current?,
            Err(error) => {
                tracing::debug!(%error, "the watch of the deploy lock failed");
                continue;
            }
        };
        match lease_state(target, &current, process, Timestamp::now()) {
            LeaseState::Free => return None,
            // The caller reports the new holder.
            LeaseState::Held(new) | LeaseState::Expired(new)
                if (&new.identity, new.since) != (&holder.identity, holder.since) =>
            {
                return None;
            }
            LeaseState::Held(_) | LeaseState::Expired(_) => {}
        }
        if seen.as_ref().map(ResourceExt::resource_version) != Some(current.resource_version()) {
            deadline = Instant::now() + TAKEOVER_AFTER;
        }
        seen = Some(current);
    }
}
