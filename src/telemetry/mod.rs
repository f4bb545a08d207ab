//! Logs: human on a terminal, JSON otherwise, always on standard error. And metrics, and traces.

pub mod metrics;
pub mod traces;

use std::io::IsTerminal;

use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets, filter_fn};
use tracing_subscriber::prelude::*;

use crate::config::{LogArgs, LogFormat};
use traces::{Traces, is_of_a_trace};

/// Installs the subscriber for the whole process.
///
/// The fields of a deploy (`deploy_id app commit user remote`) come from spans; in JSON they stand
/// under `span`. The spans of `traces` are no part of the log.
pub fn init(args: &LogArgs, traces: Option<&Traces>) {
    // The text was parsed when it entered as an argument; a filter that lets everything through is
    // the harmless answer to the impossible case.
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
    // With a hint, or nothing would be ruled out by its level alone.
    let no_trace = filter_fn(|metadata| !is_of_a_trace(metadata)).with_max_level_hint(LevelFilter::TRACE);
    let filter = filter.and(no_trace);
    tracing_subscriber::registry().with(layer.with_filter(filter)).with(traces.map(Traces::layer)).init();
}

/// An error and what caused it, in one line for the log. Some libraries repeat a cause in the error's own text.
pub fn chain(error: &dyn std::error::Error) -> String {
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
    struct Told(&'static str, #[source] Option<Box<Told>>);

    #[test]
    fn each_cause_is_told_once() {
        let cause = Told("no such file", None);
        let repeated = Told("cannot read x: no such file", Some(Box::new(cause)));
        assert_eq!(chain(&Told("cannot start", Some(Box::new(repeated)))), "cannot start: cannot read x: no such file");
    }
}
