//! Traces of deploys, sent as OTLP over HTTP to where OpenTelemetry's own variables say.
//!
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>. Spans wait in a bounded queue and leave it in a thread of
//! its own: an endpoint that is slow or gone costs spans, never a push.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::SpanExporter as Otlp;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use reqwest::Url;
use tokio::runtime::Handle;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use crate::domain::trace::TARGET;

/// How long the last spans may take to leave when slipway ends.
const FAREWELL: Duration = Duration::from_secs(3);

const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];

/// A variable that cannot be used. What it holds is not repeated: endpoints and headers have passwords in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct TraceSetting {
    variable: &'static str,
    reason: String,
}

/// What sends the traces.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to send, if an endpoint is set. Has to be called inside the runtime.
    ///
    /// # Errors
    /// [`TraceSetting`] names the variable that is wrong.
    pub fn from_environment() -> Result<Option<Self>, TraceSetting> {
        if !wanted(&|name| std::env::var(name).ok())? {
            return Ok(None);
        }
        let otlp = Otlp::builder().with_http().build();
        let otlp =
            otlp.map_err(|error| TraceSetting { variable: "OTEL_EXPORTER_OTLP_*", reason: error.to_string() })?;
        let exporter = Exporter { otlp: Arc::new(otlp), runtime: Handle::current(), failing: AtomicBool::new(false) };
        Ok(Some(Self(SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter).build())))
    }

    /// What takes the spans of deploys, and no others: those of libraries would drown them.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer = self.0.tracer("slipway");
        let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_context_activation(false);
        let layer = layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false);
        layer.with_filter(filter_fn(is_of_a_trace).with_max_level_hint(LevelFilter::INFO))
    }

    /// Sends what is left, for a bounded time.
    pub async fn end(self) {
        let end = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(FAREWELL));
        if let Ok(Err(error)) = end.await {
            tracing::debug!(%error, "the last traces could not be sent");
        }
    }
}

/// Whether it is a span of a deploy's trace, which is no part of the log.
pub(super) fn is_of_a_trace(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET
}

/// Whether traces are to be sent, by variables that can be used.
fn wanted(variable: &impl Fn(&str) -> Option<String>) -> Result<bool, TraceSetting> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    // The first one that is set counts, as it does for the exporter.
    let first = |names: [&'static str; 2]| names.into_iter().find_map(|name| set(name).map(|value| (name, value)));
    let off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    let Some((endpoint, url)) = first(ENDPOINTS).filter(|_| !off) else { return Ok(false) };
    check(endpoint, is_endpoint(&url), "not an http:// or https:// URL")?;
    if let Some((name, protocol)) = first(PROTOCOLS) {
        check(name, protocol == "http/protobuf", "only http/protobuf is spoken")?;
    }
    if let Some((name, headers)) = first(HEADERS) {
        check(name, headers.split_terminator(',').all(is_header), "not of the form NAME=VALUE,NAME=VALUE")?;
    }
    Ok(true)
}

fn check(variable: &'static str, holds: bool, otherwise: &str) -> Result<(), TraceSetting> {
    if holds { Ok(()) } else { Err(TraceSetting { variable, reason: otherwise.to_owned() }) }
}

fn is_endpoint(text: &str) -> bool {
    let url = text.parse::<Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url && text.parse::<http::Uri>().is_ok()
}

fn is_header(pair: &str) -> bool {
    let named = |(name, value): (&str, &str)| {
        name.trim().parse::<HeaderName>().is_ok() && HeaderValue::from_str(value.trim()).is_ok()
    };
    pair.split_once('=').is_some_and(named)
}

/// What the variables say of this process, and the program's name and version where they do not.
fn resource() -> Resource {
    let known = Resource::builder().build();
    let name = known.get(&Key::new("service.name")).map(|name| name.to_string());
    let nameless = name.is_none_or(|name| name.starts_with("unknown_service"));
    let program = nameless.then(|| KeyValue::new("service.name", "slipway"));
    let version = known.get(&Key::new("service.version")).is_none();
    let version = version.then(|| KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    Resource::builder().with_attributes(program.into_iter().chain(version)).build()
}

/// Sends on slipway's runtime, which the thread that empties the queue is not part of; and says once that it cannot.
#[derive(Debug)]
struct Exporter {
    otlp: Arc<Otlp>,
    runtime: Handle,
    failing: AtomicBool,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (otlp, spans) = (Arc::clone(&self.otlp), batch.len());
        let sent = self.runtime.spawn(async move { otlp.export(batch).await }).await;
        let result = sent.unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string())));
        let failed_before = self.failing.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !failed_before => {
                tracing::warn!(%error, spans, "traces cannot be sent, and are lost until they can; pushes go on");
            }
            Ok(()) if failed_before => tracing::info!("traces are sent again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    /// Called before anything is exported, while nobody else has the exporter.
    fn set_resource(&mut self, resource: &Resource) {
        if let Some(otlp) = Arc::get_mut(&mut self.otlp) {
            otlp.set_resource(resource);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(variables: &[(&str, &str)]) -> Result<bool, &'static str> {
        let variable =
            |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        wanted(&variable).map_err(|error| {
            assert!(!error.to_string().contains("hunter2"), "{error}");
            error.variable
        })
    }

    #[test]
    fn an_endpoint_turns_traces_on() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        assert_eq!(judged(&[]), Ok(false));
        assert_eq!(judged(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), Ok(false));
        assert_eq!(judged(&[endpoint]), Ok(true));
        assert_eq!(judged(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://x/v1/traces")]), Ok(true));
        assert_eq!(judged(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]), Ok(false));
        assert_eq!(judged(&[endpoint, ("OTEL_SDK_DISABLED", "true")]), Ok(false));
        let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2, x=%20y,");
        assert_eq!(judged(&[endpoint, headers, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]), Ok(true));
    }

    #[test]
    fn what_cannot_be_used_is_named_and_not_repeated() {
        for wrong in ["collector:4318", "grpc://hunter2@x:4317", "http://", "unix:///x", "http://hunter2 x", "nowhere"]
        {
            assert_eq!(
                judged(&[("OTEL_EXPORTER_OTLP_ENDPOINT", wrong)]),
                Err("OTEL_EXPORTER_OTLP_ENDPOINT"),
                "{wrong}"
            );
        }
        let endpoint = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318/v1/traces");
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "Bearer hunter2"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=b,c d=hunter2"),
        ] {
            assert_eq!(judged(&[endpoint, (name, value)]), Err(name));
            assert_eq!(judged(&[(name, value)]), Ok(false), "without an endpoint nobody asks for {name}");
        }
    }
}
