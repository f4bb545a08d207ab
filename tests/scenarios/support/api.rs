//! The API server at the wire: every request can be seen, refused, lost, or be the gateway's last.
//!
//! `kubectl proxy` has the credentials; in front of it, this reads the head of each request and passes the rest on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a request is, as far as its head tells.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// How many bytes it has, head and body.
    pub size: usize,
}

impl Request {
    /// Whether it changes something.
    pub fn is_write(&self) -> bool {
        self.method != "GET" && !self.path.contains("dryRun=All")
    }

    pub fn is_watch(&self) -> bool {
        self.path.contains("watch=true")
    }
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It is answered by the real server.
    Pass,
    /// It never arrives, and the connection ends.
    Cut,
    /// It arrives, and its answer does not.
    Lose,
    /// It is answered, and the connection ends after a time.
    PassFor(Duration),
    /// It is answered by nobody but this, with a status line's end, more headers and a body.
    Answer(&'static str, &'static str),
}

type Rule = Arc<Mutex<Box<dyn FnMut(&Request) -> Fate + Send>>>;

/// The API server for one gateway.
pub struct Api {
    address: SocketAddr,
    kubectl: Child,
    rule: Rule,
}

impl Api {
    pub fn start() -> Self {
        let mut kubectl = Command::new("kubectl");
        let mut kubectl =
            kubectl.args(["proxy", "--port=0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(kubectl.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let server = line.trim().rsplit(' ').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let rule: Rule = Arc::new(Mutex::new(Box::new(|_| Fate::Pass)));
        let rules = rule.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (server, rule) = (server.clone(), rules.clone());
                std::thread::spawn(move || serve(client, &server, &rule));
            }
        });
        Self { address, kubectl, rule }
    }

    /// Decides from now on what happens to each request.
    pub fn decide(&self, rule: impl FnMut(&Request) -> Fate + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    /// Lets everything pass.
    pub fn mend(&self) {
        self.decide(|_| Fate::Pass);
    }

    /// A kubeconfig that leads here.
    pub fn kubeconfig(&self, dir: &Path) -> String {
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "wire",
            "clusters": [{"name": "wire", "cluster": {"server": format!("http://{}", self.address)}}],
            "contexts": [{"name": "wire", "context": {"cluster": "wire", "user": "nobody"}}],
            "users": [{"name": "nobody", "user": {}}],
        });
        let path = dir.join("wire-kubeconfig");
        std::fs::write(&path, config.to_string()).unwrap();
        path.display().to_string()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

/// One connection: requests one after the other, answers as they come. Whatever ends, ends both.
fn serve(client: TcpStream, server: &str, rule: &Rule) {
    let Ok(server) = TcpStream::connect(server) else { return };
    let mut requests = BufReader::new(client.try_clone().unwrap());
    let answers = pass_on(server.try_clone().unwrap(), client.try_clone().unwrap());
    while let Some((head, request, length)) = read_head(&mut requests) {
        let mut body = vec![0; length];
        if requests.read_exact(&mut body).is_err() {
            break;
        }
        let fate = (rule.lock().unwrap())(&request);
        match fate {
            Fate::Pass => {}
            Fate::Cut => break,
            Fate::Lose => {
                // it arrives once the server begins to answer; the client has gone by then
                let _ = client.shutdown(Shutdown::Both);
            }
            Fate::PassFor(time) => {
                let client = client.try_clone().unwrap();
                std::thread::spawn(move || {
                    std::thread::sleep(time);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
            Fate::Answer(status, body) => {
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                let _ = (&client).write_all(format!("{head}{body}").as_bytes());
                break;
            }
        }
        let mut to = &server;
        if to.write_all(head.as_bytes()).and_then(|()| to.write_all(&body)).is_err() {
            break;
        }
        if matches!(fate, Fate::Lose) {
            let _ = server.shutdown(Shutdown::Write);
            let _ = answers.join();
            return;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            // read on even where nobody listens: only then has the server done what it was asked
            let _ = to.write_all(&buffer[..read]);
        }
        let _ = to.shutdown(Shutdown::Both);
    })
}

/// The head as it came, what it says, and how long its body is.
pub fn read_head(requests: &mut impl BufRead) -> Option<(String, Request, usize)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if requests.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut words = head.split(' ').map(str::to_owned);
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map_or(0, |(_, length)| length.trim().parse().unwrap());
    let request = Request { method: words.next()?, path: words.next()?, size: head.len() + length };
    Some((head, request, length))
}
