//! Stores the output of a deploy while it is printed.

use std::path::Path;

use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;

use super::error::DeployError;
use crate::deploy_logs::{DeployLogStore, DeployLogWriter, LogHeader};
use crate::domain::{Progress, ProgressEvent, Revision};

/// Starts the log of a deploy in the app's repository. Nothing is stored without a header, or if the repository is
/// missing.
pub(super) async fn open_log(repository: &Path, header: Option<LogHeader>) -> DeployLogWriter {
    match (header, tokio::fs::try_exists(repository).await) {
        (Some(header), Ok(true)) => DeployLogStore::in_repository(repository).start_log(header).await,
        _ => DeployLogWriter::disabled(),
    }
}

/// Runs the work of a deploy, and stores its progress and its result.
pub(super) async fn with_log<T>(
    mut log: DeployLogWriter,
    progress: &Progress,
    work: impl AsyncFnOnce(Progress) -> Result<T, DeployError>,
    revision: impl FnOnce(&T) -> Revision,
) -> Result<T, DeployError> {
    let (inner, events) = Progress::channel();
    let (result, ()) = tokio::join!(work(inner), copy_events(events, &mut log, progress));
    log.finish(result.as_ref().map(revision).map_err(ToString::to_string)).await;
    result
}

/// Copies events to the log and to `progress` until the sender is dropped.
async fn copy_events(mut events: Receiver<ProgressEvent>, log: &mut DeployLogWriter, progress: &Progress) {
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
        log.write_event(&event).await;
        progress.forward(event).await;
    }
}
