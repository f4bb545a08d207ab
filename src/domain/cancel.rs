//! Cancelling a deploy, up to the moment from which it has to finish.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// The deploy was cancelled: its client has gone, or slipway is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Cancellable,
    Cancelled,
    /// The cluster is being changed: whatever the client does, the deploy finishes.
    Committed,
}

/// Shared between the connection, which may cancel, and the deploy, which may commit. Whichever
/// comes first holds.
#[derive(Debug, Clone)]
pub struct Cancel {
    state: Arc<Mutex<State>>,
    token: CancellationToken,
}

impl Default for Cancel {
    fn default() -> Self {
        Self { state: Arc::new(Mutex::new(State::Cancellable)), token: CancellationToken::new() }
    }
}

impl Cancel {
    /// Asks the deploy to stop. False if it is past the point where it could.
    pub fn cancel(&self) -> bool {
        let stopped = self.advance(State::Cancelled) != State::Committed;
        if stopped {
            self.token.cancel();
        }
        stopped
    }

    /// Passes the point of no return, unless the deploy was cancelled before.
    ///
    /// # Errors
    /// [`Cancelled`] if it was.
    pub fn commit(&self) -> Result<(), Cancelled> {
        match self.advance(State::Committed) {
            State::Committed => Ok(()),
            State::Cancelled | State::Cancellable => Err(Cancelled),
        }
    }

    /// Resolves when the deploy is cancelled.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Runs `work` until it ends or the deploy is cancelled; then `work` is dropped.
    ///
    /// # Errors
    /// [`Cancelled`] in the second case.
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, Cancelled> {
        self.token.run_until_cancelled(work).await.ok_or(Cancelled)
    }

    /// Moves to `to` unless a final state is reached already; the state afterwards.
    fn advance(&self, to: State) -> State {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == State::Cancellable {
            *state = to;
        }
        *state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_cancelled_cannot_commit() {
        let cancel = Cancel::default();
        assert!(cancel.cancel());
        assert_eq!(cancel.commit(), Err(Cancelled));
        assert_eq!(cancel.unless_cancelled(std::future::pending::<()>()).await, Err(Cancelled));
    }

    #[test]
    fn what_is_committed_cannot_be_cancelled() {
        let cancel = Cancel::default();
        assert_eq!(cancel.commit(), Ok(()));
        assert!(!cancel.cancel());
        assert_eq!(cancel.commit(), Ok(()));
    }
}
