//! Cancelling a deploy, up to the commit point from which the deploy has to finish.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// The deploy was cancelled: the client disconnected, or slipway is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Cancellable,
    Cancelled,
    /// The deploy is changing the cluster and finishes, with or without its client.
    Committed,
}

/// Shared by the connection, which may cancel the deploy, and the deploy, which may pass its commit point. The first of
/// the two wins.
#[derive(Debug, Clone)]
pub struct CancelHandle {
    state: Arc<Mutex<State>>,
    token: CancellationToken,
}

impl Default for CancelHandle {
    fn default() -> Self {
        Self { state: Arc::new(Mutex::new(State::Cancellable)), token: CancellationToken::new() }
    }
}

impl CancelHandle {
    /// Cancels the deploy. False if the deploy is past its commit point and goes on.
    pub fn cancel(&self) -> bool {
        let cancelled = self.advance_to(State::Cancelled) != State::Committed;
        if cancelled {
            self.token.cancel();
        }
        cancelled
    }

    /// Passes the commit point: from here on, [`CancelHandle::cancel`] has no effect.
    ///
    /// # Errors
    /// [`Cancelled`] if the deploy was cancelled before.
    pub fn pass_commit_point(&self) -> Result<(), Cancelled> {
        match self.advance_to(State::Committed) {
            State::Committed => Ok(()),
            State::Cancelled | State::Cancellable => Err(Cancelled),
        }
    }

    /// Resolves when the deploy is cancelled.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Runs `work`, and drops it when the deploy is cancelled.
    ///
    /// # Errors
    /// [`Cancelled`] if `work` was dropped.
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, Cancelled> {
        self.token.run_until_cancelled(work).await.ok_or(Cancelled)
    }

    /// Moves to `to` unless the state is final already. Returns the state afterwards.
    fn advance_to(&self, to: State) -> State {
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
    async fn a_cancelled_deploy_cannot_pass_its_commit_point() {
        let cancel = CancelHandle::default();
        assert!(cancel.cancel());
        assert_eq!(cancel.pass_commit_point(), Err(Cancelled));
        assert_eq!(cancel.unless_cancelled(std::future::pending::<()>()).await, Err(Cancelled));
    }

    #[test]
    fn a_deploy_past_its_commit_point_cannot_be_cancelled() {
        let cancel = CancelHandle::default();
        assert_eq!(cancel.pass_commit_point(), Ok(()));
        assert!(!cancel.cancel());
        assert_eq!(cancel.pass_commit_point(), Ok(()));
    }
}
