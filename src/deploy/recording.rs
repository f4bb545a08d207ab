//! Keeps what a deploy prints.

use std::path::Path;

use tokio::sync::mpsc::error::TryRecvError;

use super::DeployError;
use crate::domain::{Event, Progress, Revision};
use crate::logs::{Head, LogWriter, Logs};

/// Does the work of a deploy, and keeps in the app's repository what it tells `progress`, and how it ends. An app whose
/// repository was lost has no place for it.
pub(super) async fn recorded<T>(
    repository: &Path,
    head: Head,
    progress: &Progress,
    work: impl AsyncFnOnce(Progress) -> Result<T, DeployError>,
    revision: impl FnOnce(&T) -> Revision,
) -> Result<T, DeployError> {
    let mut log = match tokio::fs::try_exists(repository).await {
        Ok(true) => Logs::of(repository).begin(head).await,
        _ => LogWriter::none(),
    };
    let (inner, events) = Progress::channel();
    let (result, ()) = tokio::join!(work(inner), keep(events, &mut log, progress));
    log.end(result.as_ref().map(revision).map_err(ToString::to_string)).await;
    result
}

async fn keep(mut events: tokio::sync::mpsc::Receiver<Event>, log: &mut LogWriter, progress: &Progress) {
    loop {
        let event = match events.try_recv() {
            Ok(event) => event,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                log.flush().await;
                match events.recv().await {
                    Some(event) => event,
                    None => return,
                }
            }
        };
        log.event(&event).await;
        progress.pass_on(event).await;
    }
}
