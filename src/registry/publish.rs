//! From the Engine into the registry.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::models::PushImageInfo;
use bollard::query_parameters::PushImageOptionsBuilder;
use futures_util::{Stream, StreamExt};
use metrics::counter;
use tokio::sync::RwLockReadGuard;

use super::client::Registry;
use super::error::RegistryError;
use super::push_progress::PushProgress;
use super::tag::Tag;
use super::voice::{Trouble, Voice};
use crate::domain::metric;
use crate::domain::progress::clean;
use crate::domain::{AppName, BuiltImage, Progress, PublishedImage, Revision};

/// How long a push may stand still. The Engine reports each piece that it sends.
const STALLED: Duration = Duration::from_secs(180);

/// Has the Engine push `image` as the app's image of `revision`, and asks the registry for its digest.
/// The tag that this takes in the Engine is removed in the background afterwards, also when the future is dropped.
///
/// # Errors
/// See [`RegistryError`].
pub async fn publish(
    docker: &Docker,
    registry: &Registry,
    image: &BuiltImage,
    app: &AppName,
    revision: Revision,
    progress: &Progress,
) -> Result<PublishedImage, RegistryError> {
    let _pushing = registry.begin_push(progress).await;
    // Both to their ends: a tag that is given in vain has to be taken back.
    let (answers, tag) = tokio::join!(registry.ping(app), Tag::add(docker, registry, image, app, revision));
    answers?;
    let tag = tag?;
    let options = PushImageOptionsBuilder::default().tag(&revision.to_string()).build();
    let reports = docker.push_image(&registry.push.name(app), Some(options), registry.engine_credentials());
    if let Err(error) = follow(reports, registry, app, progress).await {
        return Err(explained(error, registry, app).await);
    }
    let (digest, sent) = tokio::join!(registry.digest(app, revision), tag.sent());
    let digest = digest?;
    sent?.check(&digest)?;
    Ok(PublishedImage { reference: registry.pull.by_digest(app, &digest), digest })
}

impl Registry {
    /// Waits until no garbage is collected; none is as long as the value lives.
    async fn begin_push(&self, progress: &Progress) -> Option<RwLockReadGuard<'_, ()>> {
        let collection = self.collection()?;
        if let Some(pushing) = collection.try_push() {
            return Some(pushing);
        }
        progress.line("The registry collects its garbage: waiting for it").await;
        Some(collection.push().await)
    }
}

/// Why a push ended early.
#[derive(Debug)]
enum Failure {
    Engine(EngineError),
    Stalled,
    Registry(RegistryError),
}

async fn follow(
    reports: impl Stream<Item = Result<PushImageInfo, EngineError>>,
    registry: &Registry,
    app: &AppName,
    progress: &Progress,
) -> Result<(), Failure> {
    let mut reports = std::pin::pin!(reports);
    let name = registry.push.name(app);
    let mut voice = Voice::new(&name, progress);
    let mut trouble = Trouble::new(registry, app);
    let mut state = PushProgress::default();
    loop {
        let next = tokio::time::timeout(STALLED, next_or_due(&mut reports, &voice)).await;
        match next.map_err(|_| Failure::Stalled)? {
            Next::Report(Ok(report)) => {
                if state.add(&report) {
                    voice.trouble(trouble.look().await.map_err(Failure::Registry)?).await;
                } else {
                    voice.say(&state).await;
                }
            }
            Next::Report(Err(error)) => return Err(Failure::Engine(error)),
            Next::Due => voice.say(&state).await,
            Next::End => break,
        }
    }
    voice.end(&state).await;
    counter!(metric::REGISTRY_BYTES_TOTAL).increment(state.bytes());
    Ok(())
}

enum Next {
    Report(Result<PushImageInfo, EngineError>),
    /// No report came, but it is time to announce the push.
    Due,
    End,
}

async fn next_or_due(
    reports: &mut (impl Stream<Item = Result<PushImageInfo, EngineError>> + Unpin),
    voice: &Voice<'_>,
) -> Next {
    tokio::select! {
        biased;
        report = reports.next() => report.map_or(Next::End, Next::Report),
        () = tokio::time::sleep_until(voice.due), if !voice.announced => Next::Due,
    }
}

/// What a failed push means. Where the registry itself says what is wrong, that is the better answer.
async fn explained(failure: Failure, registry: &Registry, app: &AppName) -> RegistryError {
    let address = registry.push.to_string();
    let reason = match failure {
        Failure::Stalled => return RegistryError::Stalled(address),
        Failure::Registry(error) => return error,
        Failure::Engine(EngineError::DockerStreamError { error }) => error,
        Failure::Engine(EngineError::DockerResponseServerError { message, .. }) => message,
        Failure::Engine(error) => return RegistryError::Engine(error),
    };
    better(registry.refusal(app).await, RegistryError::Push { address, reason: clean(&reason) })
}

/// The registry's refusal, if it tells more than what the Engine said.
fn better(refusal: Option<RegistryError>, engine: RegistryError) -> RegistryError {
    use RegistryError::{Broken, Full, Refused, Unreachable};
    match refusal {
        Some(refusal @ (Unreachable(..) | Full(..) | Refused(..) | Broken { .. })) => {
            tracing::warn!(%engine, "the registry refuses what the Engine could not push");
            refusal
        }
        Some(_) | None => engine,
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;
    use futures_util::stream;

    use super::*;
    use crate::domain::Event;
    use crate::testing::heard;

    fn report(status: &str) -> Result<PushImageInfo, EngineError> {
        Ok(PushImageInfo { status: Some(status.into()), ..Default::default() })
    }

    fn pushing(sent: i64, total: i64) -> Result<PushImageInfo, EngineError> {
        let progress_detail = Some(ProgressDetail { current: Some(sent), total: Some(total) });
        Ok(PushImageInfo { status: Some("Pushing".into()), progress_detail, ..Default::default() })
    }

    async fn followed(reports: Vec<Result<PushImageInfo, EngineError>>) -> (Result<(), Failure>, Vec<Event>) {
        let registry = Registry::new("localhost:1", "localhost:1", &[]).unwrap();
        let app = "myapp".parse().unwrap();
        heard(async |progress| follow(stream::iter(reports), &registry, &app, &progress).await).await
    }

    #[tokio::test]
    async fn a_push_is_announced_once_its_layers_are_known() {
        let layers = ["Preparing", "Preparing", "Layer already exists"].map(report);
        let reports = layers.into_iter().chain([pushing(1, 1_200_000), report("Pushed"), report("v1: digest: x")]);
        let (outcome, seen) = followed(reports.collect()).await;
        assert!(outcome.is_ok());
        assert_eq!(
            seen,
            [Event::StageStarted { title: "Pushing localhost:1/myapp (1 of 2 layers new, 1.2 MB)".into() }]
        );
    }

    #[tokio::test]
    async fn a_registry_that_is_away_is_said_once() {
        let (outcome, seen) = followed(vec![report("Retrying in 5 seconds"), report("Retrying in 4 seconds")]).await;
        assert!(outcome.is_ok());
        assert_eq!(seen.first(), Some(&Event::Line { text: "The registry does not answer: trying again".into() }));
        assert_eq!(seen.len(), 2, "{seen:?}");
    }

    #[test]
    fn what_the_engine_said_stays_unless_the_registry_says_more() {
        let address = || "localhost:1".to_owned();
        let engine = || RegistryError::Push { address: address(), reason: "tag is immutable".into() };
        assert!(better(None, engine()).to_string().ends_with("tag is immutable"));
        assert!(better(Some(RegistryError::Mismatch(address())), engine()).to_string().ends_with("tag is immutable"));
        let away = RegistryError::Unreachable(address(), None);
        assert!(matches!(better(Some(away), engine()), RegistryError::Unreachable(..)));
    }

    #[tokio::test]
    async fn an_error_of_the_engine_ends_the_push() {
        let error = EngineError::DockerStreamError { error: "denied".into() };
        assert!(matches!(followed(vec![Err(error)]).await.0, Err(Failure::Engine(_))));
    }
}
