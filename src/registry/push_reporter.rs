//! Reports the progress of a push to the pusher.

use std::time::Duration;

use tokio::time::Instant;

use super::push_progress::PushProgress;
use crate::domain::Progress;

/// How long the announcement of the push waits for the number of new layers.
const ANNOUNCEMENT_DELAY: Duration = Duration::from_secs(2);
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Announces a push with the number of new layers, then reports from time to time how much was sent.
pub(super) struct PushReporter<'a> {
    image_name: &'a str,
    progress: &'a Progress,
    pub(super) announced: bool,
    /// Whether the announcement had the number of new layers.
    summarized: bool,
    last_problem: Option<&'static str>,
    /// When the announcement or the next report is due.
    pub(super) due: Instant,
}

impl<'a> PushReporter<'a> {
    pub(super) fn new(image_name: &'a str, progress: &'a Progress) -> Self {
        let due = Instant::now() + ANNOUNCEMENT_DELAY;
        Self { image_name, progress, announced: false, summarized: false, last_problem: None, due }
    }

    pub(super) async fn report(&mut self, push: &PushProgress) {
        if !self.announced && (push.is_classified() || Instant::now() >= self.due) {
            self.announce(push).await;
        } else if self.announced && Instant::now() >= self.due {
            self.due = Instant::now() + REPORT_INTERVAL;
            self.progress.log(push.sent_of_total()).await;
        }
    }

    /// Reports a problem, unless it was the last one reported.
    pub(super) async fn report_problem(&mut self, problem: Option<&'static str>) {
        if let Some(problem) = problem.filter(|problem| self.last_problem != Some(*problem)) {
            self.last_problem = Some(problem);
            self.progress.log(problem).await;
        }
    }

    async fn announce(&mut self, push: &PushProgress) {
        self.announced = true;
        self.due = Instant::now() + REPORT_INTERVAL;
        self.summarized = push.is_classified();
        let title = match self.summarized {
            true => format!("Pushing {} ({})", self.image_name, push.summary()),
            false => format!("Pushing {}", self.image_name),
        };
        self.progress.start_stage(title).await;
    }

    pub(super) async fn finish(&mut self, push: &PushProgress) {
        match (self.announced, self.summarized) {
            (false, _) => self.announce(push).await,
            (true, false) => self.progress.log(push.summary()).await,
            (true, true) => {}
        }
    }
}
