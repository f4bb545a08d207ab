//! Logs on standard error, metrics and traces.

pub(crate) mod metrics;
pub mod traces;

use std::io::IsTerminal;

use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets, filter_fn};
use tracing_subscriber::prelude::*;

use crate::config::{LogArgs, LogFormat};
use traces::{Traces, is_trace_span};

/// Installs the tracing subscriber of the process.
///
/// The fields of a deploy (`deploy_id app commit user remote`) come from spans; in JSON they are under `span`. The log does
/// not contain the spans of `traces`.
pub fn init(args: &LogArgs, traces: Option<&Traces>) {
    // The command line parser has checked the filter, so the default is never used.
    let filter: Targets = args.log.parse().unwrap_or_default();
    let human = match args.log_format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let colours = std::io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let layer = match human {
        true => layer.compact().with_target(false).boxed(),
        false => layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    // Without the hint, no event could be disabled by its level alone.
    let not_traced = filter_fn(|metadata| !is_trace_span(metadata)).with_max_level_hint(LevelFilter::TRACE);
    let filter = filter.and(not_traced);
    tracing_subscriber::registry().with(layer.with_filter(filter)).with(traces.map(Traces::layer)).init();
}

/// The error and its sources in one line, for the log. A source whose text the error already contains is left out.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).fold(String::new(), |line, cause| match line.as_str() {
        "" => cause,
        line if line.contains(&cause) => line.to_owned(),
        line => format!("{line}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct TestError(&'static str, #[source] Option<Box<TestError>>);

    #[test]
    fn each_cause_is_reported_once() {
        let cause = TestError("no such file", None);
        let repeated = TestError("cannot read x: no such file", Some(Box::new(cause)));
        let error = TestError("cannot start", Some(Box::new(repeated)));
        assert_eq!(error_chain(&error), "cannot start: cannot read x: no such file");
    }
}
