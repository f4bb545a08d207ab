//! The spans of a deploy: one trace for each, with a child for each of its phases.
//!
//! Rooms make them where things happen, as they log with `tracing`; they are no part of the log. Where no endpoint is set
//! (`telemetry::traces`), nobody listens, and nothing is made. Attributes are named by OpenTelemetry's conventions where
//! these have a name. <https://opentelemetry.io/docs/specs/semconv/registry/attributes/>

use std::fmt::Display;
use std::net::SocketAddr;
use std::pin::Pin;

use tracing::field::{Empty, display};
use tracing::instrument::Instrumented;
use tracing::{Instrument, Span, info_span};

use super::{AppName, BranchName, CommitSha, Revision, UserName};

/// The target of these spans, and of nothing else.
pub const TARGET: &str = "slipway::trace";

/// How a deploy ended, in the words of the conventions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is live.
    Success,
    /// It was refused, or failed.
    Failure,
    /// Nobody wanted it any more.
    Cancellation,
    /// There was nothing to deploy, or nothing was to be.
    Skip,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancellation => "cancellation",
            Self::Skip => "skip",
        }
    }
}

/// The trace of one deploy. Clones are the same trace; it ends with the last of them.
#[derive(Debug, Clone)]
pub struct Trace(Span);

impl Trace {
    /// Somebody wants something deployed; `kind` is `push`, `redeploy` or `rollback`.
    pub fn begin(kind: &'static str, app: &AppName, user: &UserName, remote: SocketAddr) -> Self {
        Self(info_span!(
            target: TARGET, parent: None, "deploy", otel.name = kind, otel.kind = "server",
            otel.status_code = Empty, otel.status_description = Empty,
            cicd.pipeline.name = kind, cicd.pipeline.run.id = Empty, cicd.pipeline.result = Empty,
            k8s.namespace.name = %app, user.name = %user, client.address = %remote.ip(), client.port = remote.port(),
            vcs.repository.name = %app, vcs.ref.head.revision = Empty, vcs.ref.head.name = Empty,
            slipway.revision = Empty,
        ))
    }

    /// What a deploy left half done is undone: part of its trace if that is followed, else one of its own.
    pub fn heal(app: &AppName) -> Self {
        Self(info_span!(
            target: TARGET, "heal", otel.status_code = Empty, otel.status_description = Empty,
            cicd.pipeline.name = "heal", cicd.pipeline.result = Empty, k8s.namespace.name = %app,
        ))
    }

    /// The deploy's id, as in the log.
    pub fn run(&self, id: impl Display) {
        self.0.record("cicd.pipeline.run.id", display(id));
    }

    /// What is deployed.
    pub fn head(&self, branch: &BranchName, commit: &CommitSha) {
        self.0.record("vcs.ref.head.name", display(branch)).record("vcs.ref.head.revision", display(commit));
    }

    /// As which revision of the app.
    pub fn revision(&self, revision: Revision) {
        self.0.record("slipway.revision", display(revision));
    }

    /// How it ended.
    pub fn end(&self, outcome: Outcome) {
        self.0.record("cicd.pipeline.result", outcome.as_str());
    }

    /// Why it was refused, or failed: what its pusher reads.
    pub fn fail(&self, why: impl Display) {
        self.end(Outcome::Failure);
        mark(&self.0, why);
    }

    /// Does work that belongs to the deploy.
    pub fn follow<F: Future + Send>(&self, work: F) -> Instrumented<Pin<Box<F>>> {
        Box::pin(work).instrument(self.0.clone())
    }
}

/// Does a part of the deploy whose trace is followed. An error is told in the words that its pusher reads.
///
/// The work is boxed at once, so that a part of a part does not make the whole large.
///
/// # Errors
/// Those of the work.
pub fn traced<T, E: Display>(
    part: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>> {
    let work = Box::pin(work);
    async move {
        let span = info_span!(
            target: TARGET, "part", otel.name = part, otel.status_code = Empty, otel.status_description = Empty
        );
        let result = work.instrument(span.clone()).await;
        if let Err(error) = &result {
            mark(&span, error);
        }
        result
    }
}

fn mark(span: &Span, why: impl Display) {
    span.record("otel.status_code", "ERROR").record("otel.status_description", display(why));
}
