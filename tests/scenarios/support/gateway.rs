//! The gateway under test: the real program, with a data directory and a namespace of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::process::{Output, send_signal, try_run};
use super::wait::within;
use super::{environment, kubectl, wait_until};

/// The admin that `SLIPWAY_ADMIN_KEYS` names.
pub const ADMIN: &str = "root";
const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// A gateway. Dropping the value kills the process and deletes the namespace.
pub struct Gateway {
    /// The namespace of the gateway's own state.
    pub namespace: String,
    /// Keys, data directory, and files of the test.
    pub dir: TempDir,
    settings: Vec<(String, String)>,
    process: Option<Process>,
    owns_namespace: bool,
}

struct Process {
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    ssh: SocketAddr,
    http: SocketAddr,
}

/// Starting and stopping.
impl Gateway {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a gateway with additional settings, as `SLIPWAY_*` variables.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let mut gateway = Self::prepared(settings);
        gateway.launch();
        gateway
    }

    /// A gateway that is not running yet.
    pub fn prepared(settings: &[(&str, &str)]) -> Self {
        let namespace = environment::unique_name("slipway-test");
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("admins")).unwrap();
        let mut gateway = Self { namespace, dir, settings: Vec::new(), process: None, owns_namespace: true };
        let admin = gateway.generate_key(ADMIN);
        std::fs::copy(admin.with_extension("pub"), gateway.path(&format!("admins/{ADMIN}.pub"))).unwrap();
        gateway.set(settings);
        gateway
    }

    /// Starts a second gateway with the same namespace and cluster, and with another data directory and identity.
    pub fn twin(&self, settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in [ADMIN.to_owned(), format!("{ADMIN}.pub")] {
            std::fs::copy(self.path(&name), dir.path().join(&name)).unwrap();
        }
        std::fs::create_dir(dir.path().join("admins")).unwrap();
        let namespace = self.namespace.clone();
        let mut twin = Self { namespace, dir, settings: Vec::new(), process: None, owns_namespace: false };
        twin.set(settings);
        twin.launch();
        twin
    }

    /// Changes settings for the next start.
    pub fn set(&mut self, settings: &[(&str, &str)]) {
        for (name, value) in settings {
            self.settings.retain(|(other, _)| other != name);
            self.settings.push((name.to_string(), value.to_string()));
        }
    }

    /// The command that [`Gateway::launch`] starts.
    pub fn serve_command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
        let identity = self.dir.path().file_name().unwrap().to_string_lossy().into_owned();
        command
            .arg("serve")
            .env("SLIPWAY_SSH_LISTEN", "127.0.0.1:0")
            .env("SLIPWAY_HTTP_LISTEN", "127.0.0.1:0")
            .env("SLIPWAY_DATA_DIR", self.path("data"))
            .env("SLIPWAY_NAMESPACE", &self.namespace)
            .env("SLIPWAY_IDENTITY", identity)
            .env("SLIPWAY_ADMIN_KEYS", self.path("admins"))
            .env("SLIPWAY_ENGINE", environment::engine_url())
            .env("SLIPWAY_REGISTRY_PUSH", environment::registry_address())
            .env("SLIPWAY_APP_URL", "http://{cluster_ip}")
            // Most scenarios have one push after the other; those about traffic set the times that they need.
            .env("SLIPWAY_SETTLE_TIME", "0s")
            .env("SLIPWAY_ENDPOINT_DELAY", "0s")
            .env("SLIPWAY_LOG", "info,slipway=debug")
            .env("SLIPWAY_LOG_FORMAT", "json")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Starts the process and waits until it accepts pushes.
    #[track_caller]
    pub fn launch(&mut self) {
        let mut child = self.serve_command().stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        collect_log(child.stderr.take().unwrap(), log.clone());
        let running = within(
            START_TIMEOUT,
            "the gateway runs",
            || match child.try_wait().unwrap() {
                Some(status) => panic!("the gateway ended with {status}:\n{}", text(&log)),
                None => log.lock().unwrap().iter().find(|line| line["message"] == "slipway is running").cloned(),
            },
            || text(&log),
        );
        let address = |name: &str| running[name].as_str().unwrap().parse().unwrap();
        self.process = Some(Process { child, ssh: address("ssh"), http: address("http"), log });
        // keep the ports, so that clients find a restarted gateway
        let (ssh, http) = (self.ssh_address().to_string(), self.http_address().to_string());
        self.set(&[("SLIPWAY_SSH_LISTEN", &ssh), ("SLIPWAY_HTTP_LISTEN", &http)]);
        self.write_known_hosts();
    }

    /// Kills the process with SIGKILL.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the gateway runs");
        process.child.kill().unwrap();
        process.child.wait().unwrap();
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        send_signal(self.pid(), Signal::SIGTERM);
    }

    /// Waits for the end of the process, and returns its exit code.
    #[track_caller]
    pub fn wait(&mut self) -> Option<i32> {
        let mut process = self.process.take().expect("the gateway runs");
        within(STOP_TIMEOUT, "the gateway ends", || process.child.try_wait().unwrap(), || text(&process.log)).code()
    }

    /// Terminates the process, which must exit with 0.
    #[track_caller]
    pub fn stop(&mut self) {
        self.terminate();
        assert_eq!(self.wait(), Some(0));
    }

    #[track_caller]
    pub fn restart_with(&mut self, settings: &[(&str, &str)]) {
        self.stop();
        self.set(settings);
        self.launch();
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("the gateway runs")
    }

    pub fn pid(&self) -> u32 {
        self.process().child.id()
    }
}

/// Addresses, files, log and HTTP.
impl Gateway {
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The bare repository of an app.
    pub fn repository_path(&self, app: &str) -> PathBuf {
        self.path("data/repos").join(format!("{app}.git"))
    }

    /// The log so far, one JSON object for each line.
    pub fn log(&self) -> Vec<Value> {
        self.process().log.lock().unwrap().clone()
    }

    /// Whether a log line contains the text, in its message or in a field.
    pub fn has_logged(&self, text: &str) -> bool {
        self.log().iter().any(|line| line.to_string().contains(text))
    }

    pub fn http_address(&self) -> SocketAddr {
        self.process().http
    }

    pub fn ssh_address(&self) -> SocketAddr {
        self.process().ssh
    }

    /// GET on the HTTP port. The output is the response's body and the status code.
    #[track_caller]
    pub fn http_get(&self, path: &str) -> Output {
        let url = format!("http://{}{path}", self.http_address());
        try_run(Command::new("curl").args(["-sS", "--max-time", "5", "-w", "%{http_code}", &url]))
    }

    #[track_caller]
    pub fn metrics(&self) -> String {
        let response = self.http_get("/metrics").ok().stdout;
        response.strip_suffix("200").expect("status 200").to_owned()
    }

    /// The value of a metric without labels.
    #[track_caller]
    pub fn metric(&self, name: &str) -> String {
        let metrics = self.metrics();
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name} is not in\n{metrics}")).to_owned()
    }

    /// Waits until `/readyz` answers with this body and status.
    #[track_caller]
    pub fn wait_for_readiness(&self, body: &str, status: u16) {
        let expected = format!("{body}\n{status}");
        wait_until(&format!("{expected:?} from /readyz"), || self.http_get("/readyz").stdout == expected);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
            if std::thread::panicking() {
                eprintln!("--- log of the gateway in {}\n{}", self.namespace, text(&process.log));
            }
        }
        if self.owns_namespace {
            kubectl::delete_in_background("namespace", &self.namespace);
        }
    }
}

fn collect_log(stream: impl Read + Send + 'static, log: Arc<Mutex<Vec<Value>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
            log.lock().unwrap().push(line);
        }
    });
}

fn text(log: &Mutex<Vec<Value>>) -> String {
    log.lock().unwrap().iter().map(|line| format!("{line}\n")).collect()
}
