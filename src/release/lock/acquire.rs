//! Taking the lock, and waiting for it.

use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;
use uuid::Uuid;

use super::clock::{Clock, changed};
use super::lease::{self, Busy, Claim, Gateway, HeldBy, LockNote, Ticket, decide, is_held};
use super::{AppLock, LockError, leases};
use crate::clusters::call;
use crate::domain::{AppName, Progress};

/// How often others may be faster before that counts as busy.
const RACES: usize = 5;
/// How long the newest of those who wait lets others go first.
const COURTESY: Duration = Duration::from_millis(300);

/// Takes the app's lock, or says at once who has it.
///
/// # Errors
/// [`LockError::Busy`] if somebody deploys; [`LockError::Api`].
pub async fn acquire(client: &Client, app: &AppName, gateway: &Gateway, note: &LockNote) -> Result<AppLock, LockError> {
    acquire_from(client, app, gateway, note, None).await
}

/// As [`acquire`]; a Lease of the version `dead` was watched already, and its holder is gone.
async fn acquire_from(
    client: &Client,
    app: &AppName,
    gateway: &Gateway,
    note: &LockNote,
    dead: Option<String>,
) -> Result<AppLock, LockError> {
    let leases = leases(client, app);
    let ticket = Ticket { gateway: gateway.clone(), note: note.clone(), token: Uuid::new_v4() };
    for _ in 0..RACES {
        let current = read(&leases).await?;
        let claim = match &current {
            Some(lease) if dead.is_none() || lease.resource_version() != dead => {
                decide(app, lease, gateway, Timestamp::now())
            }
            _ => Claim::Free,
        };
        match claim {
            Claim::Busy(busy) => return Err(LockError::Busy(Box::new(busy))),
            Claim::Stale(busy) if is_renewed(&leases, current.as_ref()).await => {
                return Err(LockError::Busy(Box::new(busy)));
            }
            Claim::Free | Claim::Stale(_) => {}
        }
        if let Some(lock) = take(client, app, &leases, current, &ticket).await? {
            return Ok(lock);
        }
    }
    let winner = read(&leases).await?.unwrap_or_default();
    Err(LockError::Busy(Box::new(lease::busy(app, &winner, Timestamp::now()))))
}

/// Waits for the app's lock, at most for `limit`, and says who is waited for. Of several who wait, who came first
/// is likely, not certain, to be the next.
///
/// # Errors
/// [`LockError::StillBusy`] after `limit`; [`LockError::Api`].
pub async fn acquire_waiting(
    client: &Client,
    app: &AppName,
    gateway: &Gateway,
    note: &LockNote,
    limit: Duration,
    progress: &Progress,
) -> Result<AppLock, LockError> {
    let begun = Instant::now();
    let leases = leases(client, app);
    let mut dead = None;
    loop {
        let busy = match acquire_from(client, app, gateway, note, dead).await {
            Err(LockError::Busy(busy)) => busy,
            other => return other,
        };
        progress.line(format!("waiting: {busy}")).await;
        let waiting = until_free(&leases, app, gateway, &busy);
        dead = match tokio::time::timeout(limit.saturating_sub(begun.elapsed()), waiting).await {
            Ok(dead) => dead,
            Err(_) => return Err(LockError::StillBusy { busy, waited: begun.elapsed() }),
        };
        tokio::time::sleep(COURTESY.div_f64(1.0 + begun.elapsed().as_secs_f64())).await;
    }
}

/// Whom the app's Lease names, by this machine's clock.
///
/// # Errors
/// [`LockError::Api`].
pub async fn held_by(client: &Client, app: &AppName, gateway: &Gateway) -> Result<HeldBy, LockError> {
    let lease = read(&leases(client, app)).await?;
    Ok(lease.map_or(HeldBy::Nobody, |lease| lease::held_by(&lease, gateway, Timestamp::now())))
}

async fn read(leases: &Api<Lease>) -> Result<Option<Lease>, LockError> {
    Ok(call("reading the deploy lock", || leases.get_opt(lease::NAME)).await?)
}

/// Writes the Lease with `ticket`; `None` if somebody else was faster.
async fn take(
    client: &Client,
    app: &AppName,
    leases: &Api<Lease>,
    current: Option<Lease>,
    ticket: &Ticket,
) -> Result<Option<AppLock>, LockError> {
    let (since, here) = (Instant::now(), Timestamp::now());
    let (create, changed_before) = (current.is_none(), current.as_ref().and_then(changed));
    let wanted = lease::taken(current, ticket, here);
    let params = PostParams::default();
    let written = call("taking the deploy lock", || async {
        if create { leases.create(&params, &wanted).await } else { leases.replace(lease::NAME, &params, &wanted).await }
    })
    .await;
    let lease = match written {
        Ok(lease) => Some(lease),
        // A conflict may be with ourselves, when the answer to the first attempt was lost.
        Err(error) if error.is_conflict() || error.is_already_exists() => {
            read(leases).await?.filter(|lease| is_held(lease, ticket))
        }
        Err(error) if error.is_not_found() && !create => None,
        Err(error) => return Err(error.into()),
    };
    Ok(lease.map(|lease| {
        // What the server said before this write is no news of its clock.
        let server = changed(&lease).filter(|time| Some(*time) != changed_before);
        AppLock::hold(client, app, lease, ticket.clone(), since, Clock::new(since, here, server))
    }))
}

/// Whether the holder of a Lease that looks expired shows signs of life.
async fn is_renewed(leases: &Api<Lease>, seen: Option<&Lease>) -> bool {
    let version = seen.and_then(ResourceExt::resource_version);
    let mut events = std::pin::pin!(watcher::watch_object(leases.clone(), lease::NAME).default_backoff());
    let change = async {
        while let Some(event) = events.next().await {
            match event {
                Ok(current) if current.as_ref().and_then(ResourceExt::resource_version) != version => return,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "watching the deploy lock"),
            }
        }
    };
    tokio::time::timeout(lease::OBSERVE, change).await.is_ok()
}

/// Resolves when it is worth trying again: the Lease is free, has a new holder, or was not renewed for so long that its
/// holder must be gone; then its version is returned.
async fn until_free(leases: &Api<Lease>, app: &AppName, gateway: &Gateway, busy: &Busy) -> Option<String> {
    let mut events = std::pin::pin!(watcher::watch_object(leases.clone(), lease::NAME).default_backoff());
    let mut seen: Option<Lease> = None;
    let mut deadline = Instant::now() + lease::OBSERVE;
    loop {
        let event = match tokio::time::timeout_at(deadline, events.next()).await {
            Err(_) => return seen.and_then(|lease| lease.resource_version()),
            Ok(event) => event?,
        };
        let current = match event {
            Ok(current) => current?,
            Err(error) => {
                tracing::debug!(%error, "watching the deploy lock");
                continue;
            }
        };
        match decide(app, &current, gateway, Timestamp::now()) {
            Claim::Free => return None,
            // Somebody else got it: the caller says who.
            Claim::Busy(now) | Claim::Stale(now) if (&now.gateway, now.since) != (&busy.gateway, busy.since) => {
                return None;
            }
            Claim::Busy(_) | Claim::Stale(_) => {}
        }
        if seen.as_ref().map(ResourceExt::resource_version) != Some(current.resource_version()) {
            deadline = Instant::now() + lease::OBSERVE;
        }
        seen = Some(current);
    }
}
