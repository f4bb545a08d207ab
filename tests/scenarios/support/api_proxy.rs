//! A proxy in front of the API server that can observe, drop and answer each request.
//!
//! Behind it, `kubectl proxy` adds the credentials.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Gateway;
use super::http::{RequestHead, json_response};

#[derive(Debug, Clone)]
pub struct ApiRequest {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The number of bytes of head and body.
    pub size: usize,
}

impl ApiRequest {
    /// Whether the request changes an object.
    pub fn is_write(&self) -> bool {
        self.method != "GET" && !self.path.contains("dryRun=All")
    }

    pub fn is_watch(&self) -> bool {
        self.path.contains("watch=true")
    }
}

/// The proxy's treatment of a request.
#[derive(Debug, Clone)]
pub enum Action {
    Forward,
    /// The connection is closed, and the request never reaches the API server.
    DropRequest,
    /// The API server processes the request, and the connection is closed before the response.
    DropResponse,
    /// The request is forwarded, and the connection is closed after this time.
    CloseAfter(Duration),
    /// The proxy answers with this status (and headers) and this body.
    Respond(&'static str, String),
}

type Rule = Arc<Mutex<Box<dyn FnMut(&ApiRequest) -> Action + Send>>>;

pub struct ApiProxy {
    address: SocketAddr,
    kubectl: Child,
    rule: Rule,
}

impl ApiProxy {
    pub fn start() -> Self {
        let mut kubectl = Command::new("kubectl");
        let mut kubectl =
            kubectl.args(["proxy", "--port=0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(kubectl.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let server = line.trim().rsplit(' ').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let rule: Rule = Arc::new(Mutex::new(Box::new(|_| Action::Forward)));
        let shared = rule.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (server, rule) = (server.clone(), shared.clone());
                std::thread::spawn(move || serve(client, &server, &rule));
            }
        });
        Self { address, kubectl, rule }
    }

    /// Starts a proxy, and a gateway whose API server it is.
    pub fn start_with_gateway(settings: &[(&str, &str)]) -> (Self, Gateway) {
        let proxy = Self::start();
        let mut gateway = Gateway::prepared(settings);
        let kubeconfig = proxy.write_kubeconfig(gateway.dir.path());
        gateway.set(&[("KUBECONFIG", &kubeconfig)]);
        gateway.launch();
        (proxy, gateway)
    }

    /// Replaces the rule that decides on each request.
    pub fn set_rule(&self, rule: impl FnMut(&ApiRequest) -> Action + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    pub fn forward_all(&self) {
        self.set_rule(|_| Action::Forward);
    }

    fn write_kubeconfig(&self, dir: &Path) -> String {
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{}", self.address)}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "anonymous"}}],
            "users": [{"name": "anonymous", "user": {}}],
        });
        let path = dir.join("proxy-kubeconfig");
        std::fs::write(&path, config.to_string()).unwrap();
        path.display().to_string()
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

/// Serves one connection. When either side closes it, both sides are closed.
fn serve(client: TcpStream, server: &str, rule: &Rule) {
    let Ok(server) = TcpStream::connect(server) else { return };
    let mut requests = BufReader::new(client.try_clone().unwrap());
    let responses = forward_responses(server.try_clone().unwrap(), client.try_clone().unwrap());
    while let Some(head) = RequestHead::read(&mut requests) {
        let Some(body) = head.read_body(&mut requests) else { break };
        let RequestHead { text, method, path, .. } = head;
        let size = text.len() + body.len();
        let action = (rule.lock().unwrap())(&ApiRequest { method, path, size });
        match action {
            Action::Forward => {}
            Action::DropRequest => break,
            Action::DropResponse => {
                // the server responds after the client has gone
                let _ = client.shutdown(Shutdown::Both);
            }
            Action::CloseAfter(time) => {
                let client = client.try_clone().unwrap();
                std::thread::spawn(move || {
                    std::thread::sleep(time);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
            Action::Respond(status, body) => {
                let _ = (&client).write_all(json_response(status, &body).as_bytes());
                break;
            }
        }
        let mut to_server = &server;
        if to_server.write_all(text.as_bytes()).and_then(|()| to_server.write_all(&body)).is_err() {
            break;
        }
        if matches!(action, Action::DropResponse) {
            let _ = server.shutdown(Shutdown::Write);
            let _ = responses.join();
            return;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

fn forward_responses(mut from: TcpStream, mut to: TcpStream) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            // keep reading after the client has gone: the end of the response shows that the server has done its work
            let _ = to.write_all(&buffer[..read]);
        }
        let _ = to.shutdown(Shutdown::Both);
    })
}
