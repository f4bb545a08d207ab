//! A fake OpenTelemetry collector, since none is installed for the tests.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use prost::Message;

use super::http::RequestHead;

/// The collector's response to each request.
#[derive(Debug, Clone, Copy)]
pub enum CollectorResponse {
    Accepted,
    InternalError,
    /// The request is read and never answered.
    None,
}

/// Receives OTLP over HTTP, as protobuf.
pub struct TraceCollector {
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
}

#[derive(Default)]
struct Received {
    requests: usize,
    heads: Vec<String>,
    resources: Vec<String>,
    spans: Vec<Span>,
}

impl TraceCollector {
    pub fn start(response: CollectorResponse) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, received) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Received::default())));
        let shared = received.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let received = shared.clone();
                std::thread::spawn(move || serve(&client, response, &received));
            }
        });
        Self { address, received }
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of requests so far.
    pub fn requests(&self) -> usize {
        self.received.lock().unwrap().requests
    }

    /// The requests' heads, in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.received.lock().unwrap().heads.clone()
    }

    /// The resource attributes of all requests, as `KEY=VALUE` lines.
    pub fn resource_attributes(&self) -> String {
        self.received.lock().unwrap().resources.join("\n")
    }

    /// The spans of all traces.
    pub fn spans(&self) -> Vec<Span> {
        self.received.lock().unwrap().spans.clone()
    }

    /// The root span of this name, of which there must be one.
    #[track_caller]
    pub fn root(&self, name: &str) -> Span {
        let roots = self.spans().into_iter().filter(|span| span.parent_span_id.is_empty() && span.name == name);
        let roots: Vec<Span> = roots.collect();
        assert_eq!(roots.len(), 1, "{roots:#?}");
        roots.into_iter().next().unwrap()
    }

    /// A trace as an indented tree with a line for each span, in the order of their starts. Failed spans end with `!`.
    pub fn tree(&self, root: &Span) -> String {
        let mut spans = self.spans();
        spans.retain(|span| span.trace_id == root.trace_id);
        spans.sort_by_key(|span| span.start_time_unix_nano);
        let mut lines = Vec::new();
        push_tree_lines(&spans, root, 0, &mut lines);
        assert_eq!(lines.len(), spans.len(), "spans without a parent in the trace: {spans:#?}");
        lines.join("\n")
    }
}

fn push_tree_lines(spans: &[Span], span: &Span, depth: usize, lines: &mut Vec<String>) {
    let mark = if failure(span).is_some() { " !" } else { "" };
    lines.push(format!("{}{}{mark}", "  ".repeat(depth), span.name));
    for child in spans.iter().filter(|child| child.parent_span_id == span.span_id) {
        push_tree_lines(spans, child, depth + 1, lines);
    }
}

/// The status message of a failed span.
pub fn failure(span: &Span) -> Option<String> {
    let status = span.status.as_ref()?;
    (status.code == StatusCode::Error as i32).then(|| status.message.clone())
}

/// The value of an attribute, as text.
pub fn attribute(span: &Span, name: &str) -> Option<String> {
    span.attributes.iter().find(|attribute| attribute.key == name).and_then(|attribute| text(attribute.value.as_ref()))
}

fn text(value: Option<&AnyValue>) -> Option<String> {
    match value?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text.clone()),
        any_value::Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

fn serve(client: &TcpStream, response: CollectorResponse, received: &Mutex<Received>) {
    let mut requests = BufReader::new(client);
    while let Some(head) = RequestHead::read(&mut requests) {
        let Some(body) = head.read_body(&mut requests) else { return };
        let request = ExportTraceServiceRequest::decode(&body[..]).expect("OTLP");
        {
            let mut received = received.lock().unwrap();
            received.requests += 1;
            received.heads.push(head.text.to_lowercase());
            if matches!(response, CollectorResponse::Accepted) {
                received.add(request);
            }
        }
        let mut client = client;
        let sent = match response {
            CollectorResponse::Accepted => client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            CollectorResponse::InternalError => {
                client.write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
            }
            CollectorResponse::None => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
}

impl Received {
    fn add(&mut self, request: ExportTraceServiceRequest) {
        for resource in request.resource_spans {
            let pair =
                |KeyValue { key, value, .. }: &KeyValue| format!("{key}={}", text(value.as_ref()).unwrap_or_default());
            self.resources.extend(resource.resource.iter().flat_map(|resource| resource.attributes.iter().map(pair)));
            self.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
}
