//! One deploy per app at a time, across gateways: a Lease in the app's namespace.
//!
//! The API server checks no fencing token. So whoever holds the lock looks at it before each write
//! ([`AppLock::check`]), and stops writing well before anyone else may take the Lease over.

mod acquire;
mod clock;
mod keep;
mod lease;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::DeleteParams;
use kube::{Api, Client};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

pub use acquire::{acquire, acquire_waiting, held_by};
pub use lease::{Busy, Gateway, HeldBy, LockNote};

use crate::clusters::{CallError, call};
use crate::domain::AppName;
use clock::Clock;
use lease::Ticket;

/// How long after its last renewal the holder still trusts its lock: less than the Lease lasts, by more than
/// a write takes.
const VALID: Duration = Duration::from_secs(12);
/// How long releasing may take before it is left to the Lease's end.
const RELEASE: Duration = Duration::from_secs(8);

/// Why the lock is not held.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else deploys.
    #[error("{0}")]
    Busy(Box<Busy>),
    /// Somebody else still deploys after all the time one wanted to wait.
    #[error("gave up waiting after {} s: {busy}", waited.as_secs())]
    StillBusy {
        /// Who.
        busy: Box<Busy>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It was held, but could not be renewed, or was taken over.
    #[error(
        "the deploy lock of {app} was lost (the Kubernetes API could not be reached in time, or someone removed it)"
    )]
    Lost {
        /// The app.
        app: AppName,
    },
    /// The Kubernetes API.
    #[error(transparent)]
    Api(#[from] CallError),
}

/// The right to change one app's release. Renewed until it is released or dropped.
#[derive(Debug)]
pub struct AppLock {
    app: AppName,
    shared: Arc<Shared>,
    keeper: JoinHandle<()>,
    /// Cancelled on drop: the keeper then releases the Lease.
    stop: DropGuard,
}

/// What the holder and the task that renews the Lease both know.
#[derive(Debug)]
struct Shared {
    ticket: Ticket,
    renewed: Mutex<Instant>,
    clock: Clock,
    lost: CancellationToken,
}

impl Shared {
    fn renewed_at(&self, when: Instant) {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = when;
    }

    fn valid_until(&self) -> Instant {
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) + VALID
    }

    fn is_valid(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < self.valid_until()
    }

    /// Resolves when the lock has been lost or not been renewed in time.
    async fn ended(&self) {
        while self.is_valid() {
            let expiry = tokio::time::sleep_until(self.valid_until());
            self.lost.run_until_cancelled(expiry).await;
        }
    }
}

impl AppLock {
    /// Takes charge of a lease that was written at `since`.
    fn hold(client: &Client, app: &AppName, lease: Lease, ticket: Ticket, since: Instant, clock: Clock) -> Self {
        let shared = Shared { ticket, renewed: Mutex::new(since), clock, lost: CancellationToken::new() };
        let shared = Arc::new(shared);
        let stop = CancellationToken::new();
        let keeper = tokio::spawn(keep::keep(leases(client, app), lease, shared.clone(), stop.clone()));
        Self { app: app.clone(), shared, keeper, stop: stop.drop_guard() }
    }

    /// The app it locks.
    pub fn app(&self) -> &AppName {
        &self.app
    }

    /// The gateway that holds it.
    pub fn gateway(&self) -> &Gateway {
        &self.shared.ticket.gateway
    }

    /// What tells this holding of the lock from every other.
    pub fn token(&self) -> Uuid {
        self.shared.ticket.token
    }

    /// The time of day, for records: it goes on evenly whatever becomes of this machine's clock, and is the API server's
    /// where the two do not agree.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// To be asked before each write, on a clock that nobody sets.
    ///
    /// # Errors
    /// [`LockError::Lost`] when the lock could not be renewed, or is someone else's.
    pub fn check(&self) -> Result<(), LockError> {
        if self.shared.is_valid() { Ok(()) } else { Err(self.loss()) }
    }

    /// Runs `work` for as long as the lock holds. For each write, and for whatever lasts.
    ///
    /// # Errors
    /// [`LockError::Lost`] when the lock ends first; then `work` is dropped.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Result<T, LockError> {
        self.check()?;
        tokio::select! {
            result = work => Ok(result),
            () = self.shared.ended() => Err(self.loss()),
        }
    }

    /// Gives the lock back and waits, for a bounded time, until that is written.
    pub async fn release(self) {
        drop(self.stop);
        if tokio::time::timeout(RELEASE, self.keeper).await.is_err() {
            tracing::warn!(app = %self.app, "releasing the deploy lock takes long; it will expire by itself");
        }
    }

    fn loss(&self) -> LockError {
        LockError::Lost { app: self.app.clone() }
    }
}

/// Deletes the Lease, once the app is no app any more.
pub async fn forget(client: &Client, app: &AppName) {
    let (leases, params) = (leases(client, app), DeleteParams::default());
    if let Err(error) = call("deleting the deploy lock", || leases.delete(lease::NAME, &params)).await {
        tracing::warn!(%app, %error, "the deploy lock's Lease stays");
    }
}

fn leases(client: &Client, app: &AppName) -> Api<Lease> {
    Api::namespaced(client.clone(), app.as_str())
}
