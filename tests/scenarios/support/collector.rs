//! Where traces are sent: it stands where an OpenTelemetry collector would, which cannot be had here.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use prost::Message;

/// What becomes of each request.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    Taken,
    InternalError,
    /// It is read, and nothing comes back.
    Silence,
}

/// A collector. It takes OTLP over HTTP, as protobuf.
pub struct Collector {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    requests: usize,
    heads: Vec<String>,
    resources: Vec<String>,
    spans: Vec<Span>,
}

impl Collector {
    pub fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Seen::default())));
        let kept = seen.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let seen = kept.clone();
                std::thread::spawn(move || serve(&client, answer, &seen));
            }
        });
        Self { address, seen }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.seen.lock().unwrap().requests
    }

    /// The heads of the requests, in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().heads.clone()
    }

    /// What the spans say of the process that they are from.
    pub fn resource(&self) -> String {
        self.seen.lock().unwrap().resources.join("\n")
    }

    /// The spans of all traces.
    pub fn spans(&self) -> Vec<Span> {
        self.seen.lock().unwrap().spans.clone()
    }

    /// The root of the only trace that has this kind.
    #[track_caller]
    pub fn root(&self, kind: &str) -> Span {
        let roots = self.spans().into_iter().filter(|span| span.parent_span_id.is_empty() && span.name == kind);
        let roots: Vec<Span> = roots.collect();
        assert_eq!(roots.len(), 1, "{roots:#?}");
        roots.into_iter().next().unwrap()
    }

    /// A trace as a tree: a line for each span, in the order in which they began, with `!` where it failed.
    pub fn tree(&self, root: &Span) -> String {
        let mut spans = self.spans();
        spans.retain(|span| span.trace_id == root.trace_id);
        spans.sort_by_key(|span| span.start_time_unix_nano);
        let mut lines = Vec::new();
        draw(&spans, root, 0, &mut lines);
        assert_eq!(lines.len(), spans.len(), "spans that hang nowhere: {spans:#?}");
        lines.join("\n")
    }
}

fn draw(spans: &[Span], span: &Span, depth: usize, lines: &mut Vec<String>) {
    let mark = if failure(span).is_some() { " !" } else { "" };
    lines.push(format!("{}{}{mark}", "  ".repeat(depth), span.name));
    for child in spans.iter().filter(|child| child.parent_span_id == span.span_id) {
        draw(spans, child, depth + 1, lines);
    }
}

/// What is said of why it failed.
pub fn failure(span: &Span) -> Option<String> {
    let status = span.status.as_ref()?;
    (status.code == StatusCode::Error as i32).then(|| status.message.clone())
}

/// An attribute, as text.
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

fn serve(client: &TcpStream, answer: Answer, seen: &Mutex<Seen>) {
    let mut requests = BufReader::new(client);
    while let Some((head, body)) = read(&mut requests) {
        let request = ExportTraceServiceRequest::decode(&body[..]).expect("OTLP");
        {
            let mut seen = seen.lock().unwrap();
            seen.requests += 1;
            seen.heads.push(head);
            if matches!(answer, Answer::Taken) {
                seen.take(request);
            }
        }
        let mut client = client;
        let answered = match answer {
            Answer::Taken => client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            Answer::InternalError => client.write_all(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"),
            Answer::Silence => Ok(()),
        };
        if answered.is_err() {
            return;
        }
    }
}

impl Seen {
    fn take(&mut self, request: ExportTraceServiceRequest) {
        for resource in request.resource_spans {
            let pair =
                |KeyValue { key, value, .. }: &KeyValue| format!("{key}={}", text(value.as_ref()).unwrap_or_default());
            self.resources.extend(resource.resource.iter().flat_map(|resource| resource.attributes.iter().map(pair)));
            self.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
}

fn read(from: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().unwrap()];
    from.read_exact(&mut body).ok()?;
    Some((head, body))
}
