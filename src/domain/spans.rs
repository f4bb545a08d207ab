//! The tracing spans of a deploy: one trace per deploy, with a child span per phase.
//!
//! The spans are separate from the log. Without an OTLP endpoint (`telemetry::traces`), the spans are disabled. Attribute
//! names follow OpenTelemetry's semantic conventions where these define one.
//! <https://opentelemetry.io/docs/specs/semconv/registry/attributes/>

use std::fmt::Display;
use std::net::SocketAddr;
use std::pin::Pin;

use tracing::field::{Empty, display};
use tracing::instrument::Instrumented;
use tracing::{Instrument, Span, info_span};

use super::names::{AppName, BranchName, CommitSha, UserName};
use super::revision::Revision;

/// The target of these spans, and of no other span or log line.
pub const TARGET: &str = "slipway::trace";

/// The values of `cicd.pipeline.result` that slipway uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipelineResult {
    /// The release is live.
    Success,
    /// The deploy was refused, or failed.
    Failure,
    /// The client cancelled the deploy, or slipway shut down.
    Cancellation,
    /// The push had nothing to deploy, or was a dry run.
    Skip,
}

impl PipelineResult {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancellation => "cancellation",
            Self::Skip => "skip",
        }
    }
}

/// The root span of one deploy. Clones share the span, which ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct DeployTrace(Span);

impl DeployTrace {
    /// `kind` is `push`, `redeploy` or `rollback`.
    pub fn start(kind: &'static str, app: &AppName, user: &UserName, remote: SocketAddr) -> Self {
        Self(info_span!(
            target: TARGET, parent: None, "deploy", otel.name = kind, otel.kind = "server",
            otel.status_code = Empty, otel.status_description = Empty,
            cicd.pipeline.name = kind, cicd.pipeline.run.id = Empty, cicd.pipeline.result = Empty,
            k8s.namespace.name = %app, user.name = %user, client.address = %remote.ip(), client.port = remote.port(),
            vcs.repository.name = %app, vcs.ref.head.revision = Empty, vcs.ref.head.name = Empty,
            slipway.revision = Empty,
        ))
    }

    /// Starts the span of the recovery of an interrupted release: a child of the current span, or else a trace of its
    /// own.
    pub fn recovery(app: &AppName) -> Self {
        Self(info_span!(
            target: TARGET, "heal", otel.status_code = Empty, otel.status_description = Empty,
            cicd.pipeline.name = "heal", cicd.pipeline.result = Empty, k8s.namespace.name = %app,
        ))
    }

    /// Records the `deploy_id` of the log.
    pub fn set_run_id(&self, id: impl Display) {
        self.0.record("cicd.pipeline.run.id", display(id));
    }

    pub fn set_head(&self, branch: &BranchName, commit: &CommitSha) {
        self.0.record("vcs.ref.head.name", display(branch)).record("vcs.ref.head.revision", display(commit));
    }

    pub fn set_revision(&self, revision: Revision) {
        self.0.record("slipway.revision", display(revision));
    }

    pub fn set_result(&self, result: PipelineResult) {
        self.0.record("cicd.pipeline.result", result.as_str());
    }

    /// Records a failure, with the message for the pusher.
    pub fn record_failure(&self, message: impl Display) {
        self.set_result(PipelineResult::Failure);
        set_error_status(&self.0, message);
    }

    /// Runs `work` inside the span.
    pub fn scope<F: Future + Send>(&self, work: F) -> Instrumented<Pin<Box<F>>> {
        Box::pin(work).instrument(self.0.clone())
    }
}

/// Runs a part of a deploy in a child of the current span. The span records an error with its message for the pusher.
///
/// `work` is boxed: nested parts would otherwise add up to a very large future.
///
/// # Errors
/// Those of `work`.
pub fn in_span<T, E: Display>(
    name: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>> {
    let work = Box::pin(work);
    async move {
        let span = info_span!(
            target: TARGET, "part", otel.name = name, otel.status_code = Empty, otel.status_description = Empty
        );
        let result = work.instrument(span.clone()).await;
        if let Err(error) = &result {
            set_error_status(&span, error);
        }
        result
    }
}

fn set_error_status(span: &Span, message: impl Display) {
    span.record("otel.status_code", "ERROR").record("otel.status_description", display(message));
}
