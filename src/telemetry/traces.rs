//! Exports traces of deploys as OTLP over HTTP. OpenTelemetry's environment variables configure the export
//! (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>).
//!
//! A separate thread sends the spans from a bounded queue: a slow or unavailable endpoint loses spans, and delays no push.

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

use crate::domain::spans::TARGET;

/// How long the export of the last spans may take at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];

/// An invalid variable. The message does not contain its value: endpoints and headers may contain passwords.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct TraceConfigError {
    variable: &'static str,
    reason: String,
}

/// The exporter of traces.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts the exporter if an endpoint is set. Must be called inside the tokio runtime.
    ///
    /// # Errors
    /// [`TraceConfigError`] names the invalid variable.
    pub fn from_env() -> Result<Option<Self>, TraceConfigError> {
        if !is_enabled(&|name| std::env::var(name).ok())? {
            return Ok(None);
        }
        let otlp = Otlp::builder().with_http().build();
        let otlp =
            otlp.map_err(|error| TraceConfigError { variable: "OTEL_EXPORTER_OTLP_*", reason: error.to_string() })?;
        let exporter =
            RuntimeExporter { otlp: Arc::new(otlp), runtime: Handle::current(), failing: AtomicBool::new(false) };
        Ok(Some(Self(SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter).build())))
    }

    /// A layer that exports the spans of deploys only, and not those of libraries.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer = self.0.tracer("slipway");
        let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_context_activation(false);
        let layer = layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false);
        layer.with_filter(filter_fn(is_trace_span).with_max_level_hint(LevelFilter::INFO))
    }

    /// Exports the remaining spans, for at most [`SHUTDOWN_TIMEOUT`].
    pub async fn shutdown(self) {
        let shutdown = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(SHUTDOWN_TIMEOUT));
        if let Ok(Err(error)) = shutdown.await {
            tracing::debug!(%error, "cannot export the last traces");
        }
    }
}

/// Whether a span belongs to the trace of a deploy.
pub(super) fn is_trace_span(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET
}

/// Whether the variables enable traces. Checks their values.
fn is_enabled(variable: &impl Fn(&str) -> Option<String>) -> Result<bool, TraceConfigError> {
    let value_of = |name: &str| variable(name).filter(|value| !value.is_empty());
    // The exporter also uses the first of the two variables that is set.
    let first_set =
        |names: [&'static str; 2]| names.into_iter().find_map(|name| value_of(name).map(|value| (name, value)));
    let disabled = value_of("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || value_of("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    let Some((endpoint, url)) = first_set(ENDPOINTS).filter(|_| !disabled) else { return Ok(false) };
    check(endpoint, is_endpoint(&url), "not an http:// or https:// URL")?;
    if let Some((name, protocol)) = first_set(PROTOCOLS) {
        check(name, protocol == "http/protobuf", "only http/protobuf is supported")?;
    }
    if let Some((name, headers)) = first_set(HEADERS) {
        check(name, headers.split_terminator(',').all(is_header), "not in the form NAME=VALUE,NAME=VALUE")?;
    }
    Ok(true)
}

fn check(variable: &'static str, is_valid: bool, reason: &str) -> Result<(), TraceConfigError> {
    if is_valid { Ok(()) } else { Err(TraceConfigError { variable, reason: reason.to_owned() }) }
}

fn is_endpoint(text: &str) -> bool {
    let url = text.parse::<Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url && text.parse::<http::Uri>().is_ok()
}

fn is_header(pair: &str) -> bool {
    let is_valid = |(name, value): (&str, &str)| {
        name.trim().parse::<HeaderName>().is_ok() && HeaderValue::from_str(value.trim()).is_ok()
    };
    pair.split_once('=').is_some_and(is_valid)
}

/// The resource attributes from the variables, with slipway's name and version as defaults.
fn resource() -> Resource {
    let from_env = Resource::builder().build();
    let name = from_env.get(&Key::new("service.name")).map(|name| name.to_string());
    let is_unnamed = name.is_none_or(|name| name.starts_with("unknown_service"));
    let default_name = is_unnamed.then(|| KeyValue::new("service.name", "slipway"));
    let version = from_env.get(&Key::new("service.version")).is_none();
    let version = version.then(|| KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    Resource::builder().with_attributes(default_name.into_iter().chain(version)).build()
}

/// Runs the OTLP exporter on slipway's tokio runtime: the thread that empties the queue has none. Logs the first failure and
/// the first success after it.
#[derive(Debug)]
struct RuntimeExporter {
    otlp: Arc<Otlp>,
    runtime: Handle,
    failing: AtomicBool,
}

impl SpanExporter for RuntimeExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (otlp, spans) = (Arc::clone(&self.otlp), batch.len());
        let exported = self.runtime.spawn(async move { otlp.export(batch).await }).await;
        let result = exported.unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string())));
        let failed_before = self.failing.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !failed_before => {
                tracing::warn!(%error, spans, "traces cannot be sent and are lost; deploys are not affected");
            }
            Ok(()) if failed_before => tracing::info!("traces can be sent again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    /// Called before the first export, when there is no other reference to the exporter.
    fn set_resource(&mut self, resource: &Resource) {
        if let Some(otlp) = Arc::get_mut(&mut self.otlp) {
            otlp.set_resource(resource);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_variables(variables: &[(&str, &str)]) -> Result<bool, &'static str> {
        let variable =
            |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        is_enabled(&variable).map_err(|error| {
            assert!(!error.to_string().contains("hunter2"), "{error}");
            error.variable
        })
    }

    #[test]
    fn an_endpoint_enables_traces() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        assert_eq!(check_variables(&[]), Ok(false));
        assert_eq!(check_variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), Ok(false));
        assert_eq!(check_variables(&[endpoint]), Ok(true));
        assert_eq!(check_variables(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://x/v1/traces")]), Ok(true));
        assert_eq!(check_variables(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]), Ok(false));
        assert_eq!(check_variables(&[endpoint, ("OTEL_SDK_DISABLED", "true")]), Ok(false));
        let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2, x=%20y,");
        assert_eq!(check_variables(&[endpoint, headers, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]), Ok(true));
    }

    #[test]
    fn an_error_names_the_variable_without_its_value() {
        for wrong in ["collector:4318", "grpc://hunter2@x:4317", "http://", "unix:///x", "http://hunter2 x", "nowhere"]
        {
            assert_eq!(
                check_variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", wrong)]),
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
            assert_eq!(check_variables(&[endpoint, (name, value)]), Err(name));
            assert_eq!(check_variables(&[(name, value)]), Ok(false), "{name} is not checked without an endpoint");
        }
    }
}
