//! Runs a build in the Engine.

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

use super::build_log::{BuildEventLog, failure_reason};
use super::context::{AddedFile, ContextError, ContextSource, ContextStats, filter_context};
use super::engine::Engine;
use super::error::BuildError;
use super::ignore::IgnoreRules;
use super::image::{find_image_id, inspect_image, remove_image};
use super::output::LimitedOutput;
use super::plan::BuildPlan;
use crate::domain::{BuiltImage, Progress};

/// Builds `context`, a tar stream, and leaves the image in the Engine under the plan's tag. `ignore_file` is the
/// content of the tree's `.dockerignore`.
///
/// Dropping the future stops the running step.
///
/// # Errors
/// See [`BuildError`].
pub async fn build_image(
    engine: &Engine,
    plan: &BuildPlan,
    context: impl AsyncRead + Send + Unpin + 'static,
    ignore_file: Option<Vec<u8>>,
    progress: &Progress,
) -> Result<BuiltImage, BuildError> {
    let dockerfile = if plan.generated.is_some() { "a generated Dockerfile" } else { plan.dockerfile.as_str() };
    progress.start_stage(format!("Building with {dockerfile}")).await;
    let (docker, buildkit) = engine.client_for_build().await?;
    let rules = ignore_rules(ignore_file, plan, buildkit)?;
    let explain = |error: BuildError| error.with_ignored_path(|path| rules.is_ignored(path));
    let _slot = engine.acquire_slot(progress).await;
    let previous = find_image_id(&docker, &plan.tag).await;
    let client = with_build_timeout(&docker, plan.timeout);
    let source = ContextSource { archive: context, rules: rules.clone(), added: added_file(plan) };
    let build = run_build(client, build_options(plan, buildkit), source, progress);
    let built = tokio::time::timeout(plan.timeout, build).await.map_err(|_| BuildError::Timeout(plan.timeout))?;
    let id = built.map_err(explain)?;
    if let Some(old) = previous.filter(|old| *old != id) {
        remove_image(&docker, &old).await;
    }
    inspect_image(&docker, &id).await
}

/// The file that the context gets beside those of the tree.
fn added_file(plan: &BuildPlan) -> Option<AddedFile> {
    plan.generated.clone().map(|content| AddedFile { path: plan.dockerfile.clone(), content })
}

/// A client for the build request, which lasts as long as the build; all other requests keep the shorter timeout of
/// `docker`. A second is added to the build's timeout, so that [`build_image`] is the first to report it.
fn with_build_timeout(docker: &Docker, timeout: Duration) -> Docker {
    let mut docker = docker.clone();
    docker.set_timeout(timeout.saturating_add(Duration::from_secs(1)));
    docker
}

/// Both builders need the Dockerfile, even if it is ignored. The classic builder also reads `.dockerignore` itself, and
/// then leaves an ignored Dockerfile and `.dockerignore` out of the image.
fn ignore_rules(ignore_file: Option<Vec<u8>>, plan: &BuildPlan, buildkit: bool) -> Result<IgnoreRules, ContextError> {
    let text = String::from_utf8_lossy(ignore_file.as_deref().unwrap_or_default());
    let kept: &[&str] = if buildkit { &[&plan.dockerfile] } else { &[&plan.dockerfile, ".dockerignore"] };
    Ok(IgnoreRules::parse(&text, kept)?)
}

fn build_options(plan: &BuildPlan, buildkit: bool) -> BuildImageOptions {
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

/// Returns the id of the image.
async fn run_build(
    docker: Docker,
    options: BuildImageOptions,
    context: ContextSource<impl AsyncRead + Send + Unpin + 'static>,
    progress: &Progress,
) -> Result<String, BuildError> {
    let (upload, filter) = filter_context(context);
    let progress = progress.clone();
    let result = run_on_own_runtime(async move {
        let events = docker.build_image(options, None, Some(bollard::body_try_stream(upload)));
        follow_build(events, &progress).await
    });
    let result = result.await;
    // First, since an error of the context causes the later errors.
    check_upload(filter).await?;
    result.map_err(BuildError::Thread)?
}

/// Runs `work` on a thread and a runtime of its own, which end with `work` or with this future.
///
/// A BuildKit session is a connection that the Engine's client serves from a task without a handle, and that neither
/// side ever closes. Each build would leave one behind; the end of the runtime closes it.
async fn run_on_own_runtime<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> std::io::Result<T> {
    let (mut sender, result) = oneshot::channel();
    std::thread::Builder::new().name("build".to_owned()).spawn(move || {
        if let Some(result) = run_until_cancelled(work, &mut sender).transpose() {
            let _ = sender.send(result);
        }
    })?;
    result.await.map_err(std::io::Error::other)?
}

/// The result of `work`; `None` once the receiver of `sender` is dropped. The runtime starts and ends on this thread: a
/// runtime that is dropped in an asynchronous context, as when no thread could be started, panics.
fn run_until_cancelled<T, R>(
    work: impl Future<Output = T>,
    sender: &mut oneshot::Sender<R>,
) -> std::io::Result<Option<T>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = work => Some(result),
            () = sender.closed() => None,
        }
    });
    // Closes the session before the result of the build is sent.
    runtime.shutdown_background();
    Ok(result)
}

/// The result of the upload. An upload that the Engine did not read to its end is not an error of the context: the
/// Engine rejects an invalid Dockerfile early.
async fn check_upload(filter: JoinHandle<Result<ContextStats, ContextError>>) -> Result<(), ContextError> {
    match filter.await {
        Ok(Err(ContextError::ReaderGone)) => Ok(()),
        Ok(result) => result.map(|stats| {
            let ContextStats { entries, ignored, bytes } = stats;
            tracing::debug!(entries, ignored, bytes, "context sent");
        }),
        Err(panicked) => Err(ContextError::Read(std::io::Error::other(panicked))),
    }
}

/// Prints the events of a build. Returns the id of the image.
async fn follow_build(
    events: impl Stream<Item = Result<BuildInfo, bollard::errors::Error>>,
    progress: &Progress,
) -> Result<String, BuildError> {
    let mut events = std::pin::pin!(events);
    let mut log = BuildEventLog::default();
    let mut output = LimitedOutput::new(progress);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => print_lines(log.push(event), &mut output).await,
            Err(error) => {
                print_lines(log.finish(), &mut output).await;
                output.print_omitted().await;
                return Err(to_build_error(error, &log));
            }
        }
    }
    print_lines(log.finish(), &mut output).await;
    log.image_id().map(str::to_owned).ok_or(BuildError::EngineGone(None))
}

async fn print_lines(lines: Vec<String>, output: &mut LimitedOutput<'_>) {
    for line in lines {
        output.print(line).await;
    }
}

fn to_build_error(error: bollard::errors::Error, log: &BuildEventLog) -> BuildError {
    BuildError::classify(error, |message| BuildError::Failed {
        step: log.failed_step().map(str::to_owned),
        reason: failure_reason(&message),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bollard::errors::Error;
    use futures_util::stream;

    use super::*;
    use crate::domain::ProgressEvent;
    use crate::testing::collect_progress;

    fn output(text: &str) -> Result<BuildInfo, Error> {
        Ok(BuildInfo { stream: Some(text.into()), ..Default::default() })
    }

    /// The result of a build with these events, and what the pusher saw.
    async fn followed(events: Vec<Result<BuildInfo, Error>>) -> (Result<String, BuildError>, Vec<ProgressEvent>) {
        collect_progress(async |progress| follow_build(stream::iter(events), &progress).await).await
    }

    #[tokio::test]
    async fn a_build_that_ends_without_an_image_has_lost_its_engine() {
        let (outcome, _) = followed(vec![output("Step 1/2 : FROM scratch\n")]).await;
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "the connection to the Docker Engine was lost during the build; push again"
        );
    }

    #[tokio::test]
    async fn a_failed_step_is_reported_after_its_last_output() {
        let error = Error::DockerStreamError { error: "The command 'false' returned a non-zero code: 1".into() };
        let (outcome, seen) = followed(vec![output("Step 2/2 : RUN false\n"), output("no end"), Err(error)]).await;
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "the build failed at step 2/2 : RUN false: The command 'false' returned a non-zero code: 1"
        );
        assert_eq!(seen.last(), Some(&ProgressEvent::Line { text: "no end".into() }));
    }

    #[tokio::test]
    async fn work_on_its_own_runtime_returns_its_result() {
        assert_eq!(run_on_own_runtime(async { 7 }).await.unwrap(), 7);
        assert!(run_on_own_runtime(async { panic!("broken") }).await.is_err());
    }

    #[test]
    fn an_ignored_dockerignore_goes_to_the_builder_that_reads_it() {
        let plan = BuildPlan::new(&"myapp".parse().unwrap(), "Dockerfile", Duration::from_secs(1));
        let sent = |buildkit| {
            let rules = ignore_rules(Some(b"*".to_vec()), &plan, buildkit).unwrap();
            ["Dockerfile", ".dockerignore", "a"].map(|path| !rules.is_ignored(path))
        };
        assert_eq!(sent(true), [true, false, false]);
        assert_eq!(sent(false), [true, true, false]);
    }

    #[test]
    fn only_the_build_request_has_the_long_timeout() {
        let docker = Docker::connect_with_http("127.0.0.1:1", 60, bollard::API_DEFAULT_VERSION).unwrap();
        assert_eq!(with_build_timeout(&docker, Duration::from_secs(600)).timeout(), Duration::from_secs(601));
        assert_eq!(docker.timeout(), Duration::from_secs(60));
    }

    #[tokio::test]
    async fn dropping_a_build_drops_its_work() {
        let alive = Arc::new(());
        let held = alive.clone();
        let work = run_on_own_runtime(async move {
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
        panic!("the work was not dropped");
    }

    #[tokio::test]
    async fn a_build_that_waits_for_a_slot_reports_it() {
        let engine = Engine::from_url("unix:///nonexistent").unwrap().with_max_builds(1);
        let (progress, mut events) = Progress::channel();
        let first = engine.acquire_slot(&progress).await;
        let waiting = tokio::spawn({
            let (engine, progress) = (engine.clone(), progress.clone());
            async move { engine.acquire_slot(&progress).await.is_some() }
        });
        assert!(matches!(events.recv().await, Some(ProgressEvent::Line { text }) if text.starts_with("Waiting")));
        drop(first);
        assert!(waiting.await.unwrap());
    }
}
