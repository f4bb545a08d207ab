//! Has the Engine push an image to the registry.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::models::PushImageInfo;
use bollard::query_parameters::PushImageOptionsBuilder;
use futures_util::{Stream, StreamExt};
use metrics::counter;
use tokio::sync::RwLockReadGuard;
use tokio::time::Instant;

use super::client::Registry;
use super::error::RegistryError;
use super::push_progress::PushProgress;
use super::push_reporter::PushReporter;
use super::retry_diagnosis::{RetryProbe, UNREACHABLE_TIMEOUT};
use super::temporary_tag::TemporaryTag;
use crate::domain::metric_names;
use crate::domain::progress::strip_control;
use crate::domain::{AppName, BuiltImage, Progress, PublishedImage, Revision};

/// How long a push may make no progress. The Engine reports each chunk that it sends.
const STALL_TIMEOUT: Duration = Duration::from_secs(180);
/// The pause between two requests to a registry that is unreachable.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Has the Engine push `image` as the app's image of `revision`, and asks the registry for its digest. The Engine's tag for
/// the push is removed in the background afterwards, also if the future is dropped.
///
/// # Errors
/// [`RegistryError`].
pub async fn publish(
    docker: &Docker,
    registry: &Registry,
    image: &BuiltImage,
    app: &AppName,
    revision: Revision,
    progress: &Progress,
) -> Result<PublishedImage, RegistryError> {
    let _no_gc = registry.block_garbage_collection(progress).await;
    // `join` and not `try_join`: a tag that was added has to be removed even if the registry fails.
    let tag = TemporaryTag::add(docker, registry, image, app, revision);
    let check = while_unreachable(progress, || registry.check_repository(app));
    let (checked, tag) = tokio::join!(check, tag);
    checked?;
    let tag = tag?;
    let options = PushImageOptionsBuilder::default().tag(&revision.to_string()).build();
    let reports = docker.push_image(&registry.push.image_name(app), Some(options), registry.engine_credentials());
    if let Err(error) = follow_push(reports, registry, app, progress).await {
        return Err(explain_failure(error, registry, app).await);
    }
    let digest = while_unreachable(progress, || registry.resolve_tag(app, revision));
    let (digest, pushed) = tokio::join!(digest, tag.pushed_digests());
    let digest = digest?;
    pushed?.check_contains(&digest)?;
    Ok(PublishedImage { reference: registry.pull.by_digest(app, &digest), digest })
}

/// Repeats a request while the registry is unreachable, for as long as the Engine's push may find it so: the image is
/// built, and a registry that restarts is back in seconds.
async fn while_unreachable<T, F: Future<Output = Result<T, RegistryError>>>(
    progress: &Progress,
    mut request: impl FnMut() -> F,
) -> Result<T, RegistryError> {
    let deadline = Instant::now() + UNREACHABLE_TIMEOUT;
    let mut is_announced = false;
    loop {
        match request().await {
            Err(RegistryError::Unreachable(..) | RegistryError::ServerError { .. }) if Instant::now() < deadline => {}
            result => return result,
        }
        if !is_announced {
            progress.log("The registry does not answer: trying again").await;
            is_announced = true;
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

impl Registry {
    /// Waits for a running garbage collection, and prevents others while the guard lives.
    async fn block_garbage_collection(&self, progress: &Progress) -> Option<RwLockReadGuard<'_, ()>> {
        let collector = self.garbage_collector()?;
        if let Some(guard) = collector.try_block() {
            return Some(guard);
        }
        progress.log("Waiting for the registry's garbage collection to finish").await;
        Some(collector.block().await)
    }
}

#[derive(Debug)]
enum PushFailure {
    Engine(EngineError),
    Stalled,
    Registry(RegistryError),
}

async fn follow_push(
    reports: impl Stream<Item = Result<PushImageInfo, EngineError>>,
    registry: &Registry,
    app: &AppName,
    progress: &Progress,
) -> Result<(), PushFailure> {
    let mut reports = std::pin::pin!(reports);
    let image_name = registry.push.image_name(app);
    let mut reporter = PushReporter::new(&image_name, progress);
    let mut retry_probe = RetryProbe::new(registry, app);
    let mut push = PushProgress::default();
    loop {
        let event = tokio::time::timeout(STALL_TIMEOUT, next_event(&mut reports, &reporter)).await;
        match event.map_err(|_| PushFailure::Stalled)? {
            PushEvent::Report(Ok(report)) => {
                let is_retry = push.record(&report);
                if is_retry {
                    let problem = retry_probe.probe().await.map_err(PushFailure::Registry)?;
                    reporter.report_problem(problem).await;
                } else {
                    reporter.report(&push).await;
                }
            }
            PushEvent::Report(Err(error)) => return Err(PushFailure::Engine(error)),
            PushEvent::AnnouncementDue => reporter.report(&push).await,
            PushEvent::End => break,
        }
    }
    reporter.finish(&push).await;
    counter!(metric_names::REGISTRY_BYTES_TOTAL).increment(push.new_bytes());
    Ok(())
}

enum PushEvent {
    Report(Result<PushImageInfo, EngineError>),
    AnnouncementDue,
    End,
}

async fn next_event(
    reports: &mut (impl Stream<Item = Result<PushImageInfo, EngineError>> + Unpin),
    reporter: &PushReporter<'_>,
) -> PushEvent {
    tokio::select! {
        biased;
        report = reports.next() => report.map_or(PushEvent::End, PushEvent::Report),
        () = tokio::time::sleep_until(reporter.due), if !reporter.announced => PushEvent::AnnouncementDue,
    }
}

async fn explain_failure(failure: PushFailure, registry: &Registry, app: &AppName) -> RegistryError {
    let address = registry.push.to_string();
    let reason = match failure {
        PushFailure::Stalled => return RegistryError::PushStalled(address),
        PushFailure::Registry(error) => return error,
        PushFailure::Engine(EngineError::DockerStreamError { error }) => error,
        PushFailure::Engine(EngineError::DockerResponseServerError { message, .. }) => message,
        PushFailure::Engine(error) => return RegistryError::Engine(error),
    };
    let engine_error = RegistryError::PushFailed { address, reason: strip_control(&reason) };
    prefer_registry_error(registry.diagnose_upload(app).await, engine_error)
}

/// The registry's own error, if it is more specific than the Engine's.
fn prefer_registry_error(registry_error: Option<RegistryError>, engine_error: RegistryError) -> RegistryError {
    use RegistryError::{CredentialsRejected, Full, ServerError, Unreachable};
    match registry_error {
        Some(error @ (Unreachable(..) | Full(..) | CredentialsRejected(..) | ServerError { .. })) => {
            tracing::warn!(engine = %engine_error, "a push failed, and the registry refuses uploads");
            error
        }
        Some(_) | None => engine_error,
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;
    use futures_util::stream;

    use super::*;
    use crate::domain::ProgressEvent;
    use crate::testing::collect_progress;

    fn report(status: &str) -> Result<PushImageInfo, EngineError> {
        Ok(PushImageInfo { status: Some(status.into()), ..Default::default() })
    }

    fn pushing(sent: i64, total: i64) -> Result<PushImageInfo, EngineError> {
        let progress_detail = Some(ProgressDetail { current: Some(sent), total: Some(total) });
        Ok(PushImageInfo { status: Some("Pushing".into()), progress_detail, ..Default::default() })
    }

    async fn follow(reports: Vec<Result<PushImageInfo, EngineError>>) -> (Result<(), PushFailure>, Vec<ProgressEvent>) {
        let registry = Registry::new("localhost:1", "localhost:1", &[]).unwrap();
        let app = "myapp".parse().unwrap();
        collect_progress(async |progress| follow_push(stream::iter(reports), &registry, &app, &progress).await).await
    }

    #[tokio::test]
    async fn a_push_is_announced_once_its_layers_are_known() {
        let layers = ["Preparing", "Preparing", "Layer already exists"].map(report);
        let reports = layers.into_iter().chain([pushing(1, 1_200_000), report("Pushed"), report("v1: digest: x")]);
        let (result, events) = follow(reports.collect()).await;
        assert!(result.is_ok());
        assert_eq!(
            events,
            [ProgressEvent::StageStarted { title: "Pushing localhost:1/myapp (1 of 2 layers new, 1.2 MB)".into() }]
        );
    }

    #[tokio::test]
    async fn an_unreachable_registry_is_reported_once() {
        let (result, events) = follow(vec![report("Retrying in 5 seconds"), report("Retrying in 4 seconds")]).await;
        assert!(result.is_ok());
        let expected = ProgressEvent::Line { text: "The registry does not answer: trying again".into() };
        assert_eq!(events.first(), Some(&expected));
        assert_eq!(events.len(), 2, "{events:?}");
    }

    #[test]
    fn the_error_of_the_engine_stays_unless_that_of_the_registry_is_more_specific() {
        let address = || "localhost:1".to_owned();
        let engine_error = || RegistryError::PushFailed { address: address(), reason: "tag is immutable".into() };
        let preferred = |registry_error| prefer_registry_error(registry_error, engine_error());
        assert!(preferred(None).to_string().ends_with("tag is immutable"));
        let unspecific = RegistryError::DigestMismatch(address());
        assert!(preferred(Some(unspecific)).to_string().ends_with("tag is immutable"));
        let unreachable = RegistryError::Unreachable(address(), None);
        assert!(matches!(preferred(Some(unreachable)), RegistryError::Unreachable(..)));
    }

    #[tokio::test]
    async fn an_error_of_the_engine_ends_the_push() {
        let error = EngineError::DockerStreamError { error: "denied".into() };
        assert!(matches!(follow(vec![Err(error)]).await.0, Err(PushFailure::Engine(_))));
    }
}
