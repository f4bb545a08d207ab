//! What the pusher hears of a push, and what the registry says when it goes wrong.

use std::time::Duration;

use tokio::time::Instant;

use super::client::Registry;
use super::error::RegistryError;
use super::push_progress::PushProgress;
use crate::domain::{AppName, Progress};

/// How long the summary of the layers is waited for before the push is announced without it.
const ANNOUNCE: Duration = Duration::from_secs(2);
/// How often a long push says how far it is.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long the registry may be away before the push is given up. The Engine tries again a few times,
/// in about a minute, so a registry that only restarts is no failure.
const AWAY: Duration = Duration::from_secs(20);

/// What the pusher is told of a push: what it will send, and now and then how far it is.
pub(super) struct Voice<'a> {
    name: &'a str,
    progress: &'a Progress,
    pub(super) announced: bool,
    /// Whether the announcement said how many layers are new.
    complete: bool,
    last_trouble: Option<&'static str>,
    pub(super) due: Instant,
}

impl<'a> Voice<'a> {
    pub(super) fn new(name: &'a str, progress: &'a Progress) -> Self {
        Self { name, progress, announced: false, complete: false, last_trouble: None, due: Instant::now() + ANNOUNCE }
    }

    pub(super) async fn say(&mut self, state: &PushProgress) {
        if !self.announced && (state.is_classified() || Instant::now() >= self.due) {
            self.announce(state).await;
        } else if self.announced && Instant::now() >= self.due {
            self.due = Instant::now() + HEARTBEAT;
            self.progress.line(state.sent()).await;
        }
    }

    /// Says what is wrong, once.
    pub(super) async fn trouble(&mut self, text: Option<&'static str>) {
        if let Some(text) = text.filter(|text| self.last_trouble != Some(*text)) {
            self.last_trouble = Some(text);
            self.progress.line(text).await;
        }
    }

    async fn announce(&mut self, state: &PushProgress) {
        self.announced = true;
        self.due = Instant::now() + HEARTBEAT;
        self.complete = state.is_classified();
        let title = match self.complete {
            true => format!("Pushing {} ({})", self.name, state.summary()),
            false => format!("Pushing {}", self.name),
        };
        self.progress.stage(title).await;
    }

    pub(super) async fn end(&mut self, state: &PushProgress) {
        match (self.announced, self.complete) {
            (false, _) => self.announce(state).await,
            (true, false) => self.progress.line(state.summary()).await,
            (true, true) => {}
        }
    }
}

/// Asks the registry what is wrong while the Engine tries again: the Engine itself does not say.
pub(super) struct Trouble<'a> {
    registry: &'a Registry,
    app: &'a AppName,
    away_since: Option<Instant>,
    next: Instant,
}

impl<'a> Trouble<'a> {
    pub(super) fn new(registry: &'a Registry, app: &'a AppName) -> Self {
        Self { registry, app, away_since: None, next: Instant::now() }
    }

    /// What to tell the pusher. An error if trying again is of no use.
    pub(super) async fn look(&mut self) -> Result<Option<&'static str>, RegistryError> {
        if Instant::now() < self.next {
            return Ok(None);
        }
        self.next = Instant::now() + HEARTBEAT;
        match self.registry.refusal(self.app).await {
            Some(error @ RegistryError::Unreachable(..)) => {
                let since = *self.away_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= AWAY {
                    Err(error)
                } else {
                    Ok(Some("The registry does not answer: trying again"))
                }
            }
            Some(error @ (RegistryError::Full(..) | RegistryError::Refused(..))) => Err(error),
            Some(_) | None => {
                self.away_since = None;
                Ok(Some("The registry did not take a layer: trying again"))
            }
        }
    }
}
