//! The connections of an app's clients during a deploy, and right after it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::{App, Gateway, assert_history, kubectl};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);
/// kube-proxy follows a Service within two seconds.
const ENDPOINT_DELAY: (&str, &str) = ("SLIPWAY_ENDPOINT_DELAY", "3s");

/// The address of the app's Service.
fn address(app: &App) -> SocketAddr {
    let service = app.get("service", &app.name).expect("the app's Service");
    format!("{}:80", service["spec"]["clusterIP"].as_str().unwrap()).parse().unwrap()
}

/// One request on a connection of its own.
fn request(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, REQUEST_TIMEOUT)?;
    stream.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    match response.split_once("\r\n\r\n") {
        Some((head, page)) if head.contains(" 200 ") => Ok(page.to_owned()),
        _ => Err(io::Error::other(format!("the response {response:?}"))),
    }
}

/// A client that sends one request after the other.
struct Client {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Vec<io::Error>)>,
}

impl Client {
    fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut sent, mut failed) = (0, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                sent += 1;
                failed.extend(request(address).err());
                std::thread::sleep(PAUSE);
            }
            (sent, failed)
        });
        Self { stop, thread }
    }

    /// The number of requests, and the errors.
    fn stop(self) -> (usize, Vec<io::Error>) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[test]
fn a_first_push_ends_when_the_app_answers_at_its_address() {
    let gateway = Gateway::start();
    for page in ["one", "two", "three"] {
        let app = App::web(page);
        app.push(&gateway).ok();
        assert_eq!(request(address(&app)).unwrap(), page);
    }
}

#[test]
fn a_deploy_ends_when_only_the_new_revision_answers() {
    let gateway = Gateway::with(&[ENDPOINT_DELAY]);
    let app = App::deployed(&gateway);
    let address = address(&app);
    let pages = || (0..50).map(|_| request(address).unwrap()).collect::<Vec<_>>();
    app.commit_page("two");
    app.push(&gateway).ok();
    assert_eq!(pages(), vec!["two"; 50]);
    gateway.run_command(&format!("rollback {}", app.name)).ok();
    assert_eq!(pages(), vec!["one"; 50]);
}

#[test]
fn no_request_is_lost_although_the_app_ends_as_soon_as_it_is_stopped() {
    let gateway = Gateway::with(&[ENDPOINT_DELAY, ("SLIPWAY_SETTLE_TIME", "1s")]);
    let app = App::web("one");
    app.edit_dockerfile("EXPOSE 8080", "EXPOSE 8080\nSTOPSIGNAL SIGKILL");
    app.commit("stops at once");
    app.push(&gateway).ok();
    let client = Client::start(address(&app));
    for page in ["two", "three", "four"] {
        app.commit_page(page);
        app.push(&gateway).ok();
    }
    let (sent, failed) = client.stop();
    assert!(failed.is_empty(), "{} of {sent} requests failed: {failed:?}", failed.len());
    assert!(sent > 100, "{sent} requests are too few to show anything");
}

#[test]
fn an_app_that_dies_after_it_has_listened_replaces_no_pod() {
    let gateway = Gateway::with(&[("SLIPWAY_SETTLE_TIME", "10s"), ("SLIPWAY_ROLLOUT_TIMEOUT", "60s")]);
    let app = App::web("one");
    app.push(&gateway).ok();
    let client = Client::start(address(&app));
    app.edit_dockerfile("CMD [", "CMD [\"sh\", \"-c\", \"$0 $@ & sleep 3; exit 1\", ");
    app.commit_page("two");
    app.push(&gateway).fails().prints("rolled back to v1 (as v3)");
    app.shows("one");
    assert_history(&app, &[("v1", "superseded"), ("v2", "failed"), ("v3", "deployed")]);
    client.stop();
}

#[test]
fn default_resources_give_way_to_a_limit_range() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    kubectl::apply(&format!(
        "apiVersion: v1\nkind: LimitRange\nmetadata: {{name: small, namespace: {}}}\n\
         spec: {{limits: [{{type: Container, default: {{cpu: 20m, memory: 32Mi}}}}]}}\n",
        app.name
    ));
    app.commit_page("two");
    app.push(&gateway).ok();
    app.shows("two");
    assert_eq!(app.container()["resources"], serde_json::json!({}));
}

#[test]
fn an_app_that_is_scaled_to_zero_is_deployed_without_an_answer() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.scale(0);
    app.commit_page("two");
    app.push(&gateway).ok().does_not_print("refuses connections");
}
