//! One build, from the first line to the image.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::models::BuildInfo;
use bollard::query_parameters::{BuildImageOptions, BuildImageOptionsBuilder, BuilderVersion};
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncRead;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::context::{self, ContextError, Sent};
use super::engine::{Engine, gone_or};
use super::error::BuildError;
use super::ignore::Ignore;
use super::image;
use super::output::Output;
use super::plan::BuildPlan;
use super::transcript::{self, Transcript};
use crate::domain::{BuiltImage, Progress};

/// Builds what is in `context`, a tar stream, and leaves the image in the Engine under the plan's tag.
/// `ignore` is the text of the tree's `.dockerignore`.
///
/// Dropping the future stops the step that runs.
///
/// # Errors
/// See [`BuildError`].
pub async fn build(
    engine: &Engine,
    plan: &BuildPlan,
    context: impl AsyncRead + Send + Unpin + 'static,
    ignore: Option<Vec<u8>>,
    progress: &Progress,
) -> Result<BuiltImage, BuildError> {
    progress.stage(format!("Building with {}", plan.dockerfile)).await;
    let (docker, buildkit) = engine.builder().await?;
    let ignore = rules(ignore, plan, buildkit)?;
    let _place = engine.place(progress).await;
    let before = image::id_of(&docker, &plan.tag).await;
    let work = in_engine(patient(&docker, plan.timeout), options(plan, buildkit), context, ignore, progress);
    let id = tokio::time::timeout(plan.timeout, work).await.map_err(|_| BuildError::Timeout(plan.timeout))??;
    if let Some(old) = before.filter(|old| *old != id) {
        image::remove(&docker, &old).await;
    }
    image::inspect(&docker, &id).await
}

/// A client for the build itself: its answer lasts as long as the build. Other questions keep their
/// limit, as nothing else ends them. A second more, so that the build's own limit is what is heard of.
fn patient(docker: &Docker, timeout: Duration) -> Docker {
    let mut docker = docker.clone();
    docker.set_timeout(timeout.saturating_add(Duration::from_secs(1)));
    docker
}

/// Both builders need the Dockerfile. The classic one reads `.dockerignore` too, and then leaves out
/// of the image what of these two is ignored.
fn rules(ignore: Option<Vec<u8>>, plan: &BuildPlan, buildkit: bool) -> Result<Ignore, ContextError> {
    let text = String::from_utf8_lossy(ignore.as_deref().unwrap_or_default());
    let kept: &[&str] = if buildkit { &[&plan.dockerfile] } else { &[&plan.dockerfile, ".dockerignore"] };
    Ok(Ignore::parse(&text, kept)?)
}

fn options(plan: &BuildPlan, buildkit: bool) -> BuildImageOptions {
    let args: HashMap<_, _> = plan.args.clone().into_iter().collect();
    let labels: HashMap<_, _> = plan.labels.clone().into_iter().collect();
    let options = BuildImageOptionsBuilder::default()
        .dockerfile(&plan.dockerfile)
        .t(&plan.tag)
        .buildargs(&args)
        .labels(&labels)
        .rm(true)
        .forcerm(true);
    if buildkit {
        let session = Uuid::new_v4().to_string();
        options.version(BuilderVersion::BuilderBuildKit).session(&session).build()
    } else {
        options.version(BuilderVersion::BuilderV1).build()
    }
}

/// The id of the image.
async fn in_engine(
    docker: Docker,
    options: BuildImageOptions,
    context: impl AsyncRead + Send + Unpin + 'static,
    ignore: Ignore,
    progress: &Progress,
) -> Result<String, BuildError> {
    let (upload, sent) = context::filter(context, ignore);
    let progress = progress.clone();
    let outcome = alone(async move {
        let reports = docker.build_image(options, None, Some(bollard::body_try_stream(upload)));
        follow(reports, &progress).await
    });
    let outcome = outcome.await;
    // What is wrong with the context explains everything that came after it.
    uploaded(sent).await?;
    outcome.map_err(BuildError::Thread)?
}

/// Runs `work` on a thread and a runtime of its own, which end with it or with this future.
///
/// BuildKit's session is a connection that the Engine's client serves from a task nobody can reach and
/// that neither side ever closes: one would be left behind by each build. It goes with the runtime.
async fn alone<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> std::io::Result<T> {
    let (mut done, outcome) = oneshot::channel();
    std::thread::Builder::new().name("build".to_owned()).spawn(move || {
        if let Some(result) = run_while_wanted(work, &mut done).transpose() {
            let _ = done.send(result);
        }
    })?;
    outcome.await.map_err(std::io::Error::other)?
}

/// The result of `work`; nothing once nobody waits for it. The runtime begins and ends on this thread:
/// one that is dropped where futures run, as when no thread could be started, panics.
fn run_while_wanted<T, R>(
    work: impl Future<Output = T>,
    wanted: &mut oneshot::Sender<R>,
) -> std::io::Result<Option<T>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = work => Some(result),
            () = wanted.closed() => None,
        }
    });
    // The session is closed before anybody hears that the build is over.
    runtime.shutdown_background();
    Ok(result)
}

/// How the upload ended. That the Engine did not want all of it is no fault of the context: a
/// Dockerfile that is wrong is refused early.
async fn uploaded(sent: JoinHandle<Result<Sent, ContextError>>) -> Result<(), ContextError> {
    match sent.await {
        Ok(Err(ContextError::Abandoned)) => Ok(()),
        Ok(outcome) => outcome.map(|sent| {
            tracing::debug!(entries = sent.entries, ignored = sent.ignored, bytes = sent.bytes, "context sent");
        }),
        Err(panicked) => Err(ContextError::Source(std::io::Error::other(panicked))),
    }
}

async fn follow(
    reports: impl Stream<Item = Result<BuildInfo, bollard::errors::Error>>,
    progress: &Progress,
) -> Result<String, BuildError> {
    let mut reports = std::pin::pin!(reports);
    let mut transcript = Transcript::default();
    let mut output = Output::new(progress);
    while let Some(report) = reports.next().await {
        match report {
            Ok(report) => show(transcript.feed(report), &mut output).await,
            Err(error) => {
                show(transcript.finish(), &mut output).await;
                output.failed().await;
                return Err(failure(error, &transcript));
            }
        }
    }
    show(transcript.finish(), &mut output).await;
    transcript.image().map(str::to_owned).ok_or(BuildError::EngineGone(None))
}

async fn show(lines: Vec<String>, output: &mut Output<'_>) {
    for line in lines {
        output.line(line).await;
    }
}

fn failure(error: bollard::errors::Error, transcript: &Transcript) -> BuildError {
    gone_or(error, |message| BuildError::Failed {
        step: transcript.failed_step().map(str::to_owned),
        reason: transcript::reason(&message),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bollard::errors::Error;
    use futures_util::stream;

    use super::*;
    use crate::domain::Event;
    use crate::testing::heard;

    fn said(text: &str) -> Result<BuildInfo, Error> {
        Ok(BuildInfo { stream: Some(text.into()), ..Default::default() })
    }

    /// What a build that reported this comes to, and what the pusher saw.
    async fn followed(reports: Vec<Result<BuildInfo, Error>>) -> (Result<String, BuildError>, Vec<Event>) {
        heard(async |progress| follow(stream::iter(reports), &progress).await).await
    }

    #[tokio::test]
    async fn a_build_that_ends_without_an_image_lost_its_engine() {
        let (outcome, _) = followed(vec![said("Step 1/2 : FROM scratch\n")]).await;
        assert_eq!(outcome.unwrap_err().to_string(), "the Docker Engine went away during the build");
    }

    #[tokio::test]
    async fn a_step_that_fails_is_named_after_its_last_output() {
        let error = Error::DockerStreamError { error: "The command 'false' returned a non-zero code: 1".into() };
        let (outcome, seen) = followed(vec![said("Step 2/2 : RUN false\n"), said("no end"), Err(error)]).await;
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "the build failed at step 2/2 : RUN false: The command 'false' returned a non-zero code: 1"
        );
        assert_eq!(seen.last(), Some(&Event::Line { text: "no end".into() }));
    }

    #[tokio::test]
    async fn what_runs_alone_gives_its_result() {
        assert_eq!(alone(async { 7 }).await.unwrap(), 7);
        assert!(alone(async { panic!("broken") }).await.is_err());
    }

    #[test]
    fn an_ignored_dockerignore_goes_to_the_builder_that_reads_it() {
        let plan = BuildPlan::new(&"myapp".parse().unwrap(), "Dockerfile", Duration::from_secs(1));
        let sent = |buildkit| {
            let rules = rules(Some(b"*".to_vec()), &plan, buildkit).unwrap();
            ["Dockerfile", ".dockerignore", "a"].map(|path| !rules.excludes(path))
        };
        assert_eq!(sent(true), [true, false, false]);
        assert_eq!(sent(false), [true, true, false]);
    }

    #[test]
    fn only_the_build_itself_may_take_long() {
        let docker = Docker::connect_with_http("127.0.0.1:1", 60, bollard::API_DEFAULT_VERSION).unwrap();
        assert_eq!(patient(&docker, Duration::from_secs(600)).timeout(), Duration::from_secs(601));
        assert_eq!(docker.timeout(), Duration::from_secs(60));
    }

    #[tokio::test]
    async fn dropping_a_build_drops_its_work() {
        let alive = Arc::new(());
        let held = alive.clone();
        let work = alone(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), work).await.is_err());
        for _ in 0..100 {
            if Arc::strong_count(&alive) == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the work is still there");
    }

    #[tokio::test]
    async fn a_build_waits_for_a_place_and_says_so() {
        let engine = Engine::connect("unix:///nonexistent").unwrap().with_max_builds(1);
        let (progress, mut events) = Progress::channel();
        let first = engine.place(&progress).await;
        let waiting = tokio::spawn({
            let (engine, progress) = (engine.clone(), progress.clone());
            async move { engine.place(&progress).await.is_some() }
        });
        assert!(matches!(events.recv().await, Some(Event::Line { text }) if text.starts_with("Waiting")));
        drop(first);
        assert!(waiting.await.unwrap());
    }
}
