//! A gateway: the real program, with a data directory and a namespace of its own.

use std::io::BufRead;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::process::{Output, run, try_run, try_run_with};
use super::wait::within;
use super::world;

/// The name of the user whose key is an admin's from the start.
pub const ADMIN: &str = "root";

/// A running gateway. Its namespace and its process end with it.
pub struct Gateway {
    /// Namespace of its own state.
    pub namespace: String,
    /// Keys, data, everything on disk.
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

impl Gateway {
    /// A gateway with the settings that suit most tests.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A gateway with more settings, as `SLIPWAY_*` variables.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let mut gateway = Self::prepared(settings);
        gateway.launch();
        gateway
    }

    /// A gateway that is not running yet.
    pub fn prepared(settings: &[(&str, &str)]) -> Self {
        let namespace = world::unique("slipway-test");
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("admins")).unwrap();
        let gateway = Self { namespace, dir, settings: Vec::new(), process: None, owns_namespace: true };
        let admin = gateway.new_key(ADMIN);
        std::fs::copy(admin.with_extension("pub"), gateway.path(&format!("admins/{ADMIN}.pub"))).unwrap();
        gateway.and(settings)
    }

    /// A second gateway beside this one: same namespace and cluster, other data and identity.
    pub fn twin(&self, settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in [ADMIN.to_owned(), format!("{ADMIN}.pub")] {
            std::fs::copy(self.path(&name), dir.path().join(&name)).unwrap();
        }
        std::fs::create_dir(dir.path().join("admins")).unwrap();
        let mut twin =
            Self { namespace: self.namespace.clone(), dir, settings: Vec::new(), process: None, owns_namespace: false }
                .and(settings);
        twin.launch();
        twin
    }

    fn and(mut self, settings: &[(&str, &str)]) -> Self {
        self.settings = settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        self
    }

    /// The command line that [`Gateway::launch`] starts.
    pub fn command(&self) -> Command {
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
            .env("SLIPWAY_ENGINE", world::engine())
            .env("SLIPWAY_REGISTRY_PUSH", world::registry())
            .env("SLIPWAY_APP_URL", "http://{cluster_ip}")
            .env("SLIPWAY_LOG", "info,slipway=debug")
            .env("SLIPWAY_LOG_FORMAT", "json")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Starts the process and waits until it takes pushes.
    pub fn launch(&mut self) {
        let mut child = self.command().stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        collect(child.stderr.take().unwrap(), log.clone());
        let running = within(
            Duration::from_secs(60),
            "the gateway runs",
            || match child.try_wait().unwrap() {
                Some(status) => panic!("the gateway ended with {status}:\n{}", text(&log)),
                None => log.lock().unwrap().iter().find(|line| line["message"] == "slipway is running").cloned(),
            },
            || text(&log),
        );
        let address = |name: &str| running[name].as_str().unwrap().parse().unwrap();
        self.process = Some(Process { child, ssh: address("ssh"), http: address("http"), log });
        // a fixed port from here on: a restarted gateway is found where it was
        for (name, address) in
            [("SLIPWAY_SSH_LISTEN", self.ssh_address()), ("SLIPWAY_HTTP_LISTEN", self.http_address())]
        {
            self.settings.retain(|(other, _)| other != name);
            self.settings.push((name.to_owned(), address.to_string()));
        }
        self.write_known_hosts();
    }

    /// Ends the process in good order, and starts it again with more settings.
    pub fn restart_with(&mut self, settings: &[(&str, &str)]) {
        self.terminate();
        assert_eq!(self.wait(), Some(0));
        self.set(settings);
        self.launch();
    }

    /// Changes settings for the next start.
    pub fn set(&mut self, settings: &[(&str, &str)]) {
        for (name, value) in settings {
            self.settings.retain(|(other, _)| other != name);
            self.settings.push((name.to_string(), value.to_string()));
        }
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("the gateway runs")
    }

    pub fn ssh_address(&self) -> SocketAddr {
        self.process().ssh
    }

    pub fn http_address(&self) -> SocketAddr {
        self.process().http
    }

    pub fn pid(&self) -> u32 {
        self.process().child.id()
    }

    /// The log so far, one JSON object a line.
    pub fn log(&self) -> Vec<Value> {
        self.process().log.lock().unwrap().clone()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The bare repository of an app.
    pub fn repository(&self, app: &str) -> PathBuf {
        self.path("data/repos").join(format!("{app}.git"))
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the gateway runs");
        process.child.kill().unwrap();
        process.child.wait().unwrap();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        signal(self.pid(), Signal::SIGTERM);
    }

    /// Waits for the end of the process: its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let mut process = self.process.take().expect("the gateway runs");
        within(Duration::from_secs(60), "the gateway ends", || process.child.try_wait().unwrap(), || text(&process.log))
            .code()
    }

    /// Makes a key pair; the private half's path.
    pub fn new_key(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&path));
        path
    }

    /// Makes a key pair and has the admin register it.
    pub fn new_user(&self, name: &str) -> PathBuf {
        let key = self.new_key(name);
        let line = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        try_run_with(self.ssh(ADMIN).args(["upload-key", name]), &line).ok();
        key
    }

    /// `ssh` to the gateway with a user's key; arguments follow.
    pub fn ssh(&self, user: &str) -> Command {
        self.ssh_with(user, &[])
    }

    /// The same with more options for `ssh` itself.
    pub fn ssh_with(&self, user: &str, options: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        command.args(ssh_options(&self.path(user), &self.known_hosts())).args(options);
        command.arg("-p").arg(self.ssh_address().port().to_string());
        command.arg("git@127.0.0.1");
        command
    }

    /// The file of host keys, as a user would make it from the ConfigMap.
    pub fn known_hosts(&self) -> PathBuf {
        self.path("known_hosts")
    }

    fn write_known_hosts(&self) {
        let map = world::object(&["configmap", "slipway-known-hosts", "-n", &self.namespace]).expect("known hosts");
        let lines = map["data"].as_object().unwrap().values().flat_map(|text| text.as_str().unwrap().lines());
        let port = self.ssh_address().port();
        // a twin has another port than the gateway that wrote the line: the key is the same
        let lines = lines.map(|line| format!("[127.0.0.1]:{port} {}\n", line.split_once(' ').unwrap().1));
        std::fs::write(self.known_hosts(), lines.collect::<String>()).unwrap();
    }

    /// `git` with the SSH settings for a user.
    pub fn git(&self, user: &str, dir: &Path) -> Command {
        let mut ssh = vec!["ssh".to_owned()];
        ssh.extend(ssh_options(&self.path(user), &self.known_hosts()));
        let mut command = git(dir);
        command.env("GIT_SSH_COMMAND", ssh.join(" "));
        command
    }

    /// The address of an app's repository.
    pub fn url(&self, app: &str) -> String {
        format!("ssh://git@127.0.0.1:{}/{app}", self.ssh_address().port())
    }

    /// GET on the HTTP port: `curl`'s output.
    pub fn get(&self, path: &str) -> Output {
        let url = format!("http://{}{path}", self.http_address());
        try_run(Command::new("curl").args(["-sS", "--max-time", "5", "-w", "%{http_code}", &url]))
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
            let _ = Command::new("kubectl")
                .args(["delete", "namespace", &self.namespace, "--wait=false", "--ignore-not-found"])
                .stdout(Stdio::null())
                .status();
        }
    }
}

/// `git` in a directory, with no settings but these. A shell that runs the tests in the background has them ignore
/// SIGINT, and git would inherit that.
pub fn git(dir: &Path) -> Command {
    let mut command = Command::new("env");
    command
        .args(["--default-signal=INT", "git"])
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Ann")
        .env("GIT_AUTHOR_EMAIL", "ann@example.com")
        .env("GIT_COMMITTER_NAME", "Ann")
        .env("GIT_COMMITTER_EMAIL", "ann@example.com");
    command
}

pub fn ssh_options(key: &Path, known_hosts: &Path) -> Vec<String> {
    let mut options: Vec<String> = ["-F", "/dev/null", "-i"].map(str::to_owned).into();
    options.push(key.display().to_string());
    let known_hosts = format!("UserKnownHostsFile={}", known_hosts.display());
    for option in ["IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=yes", &known_hosts] {
        options.extend(["-o".to_owned(), option.to_owned()]);
    }
    options
}

/// Sends a signal to one process.
pub fn signal(pid: u32, signal: Signal) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap()), signal);
}

fn collect(stream: impl std::io::Read + Send + 'static, log: Arc<Mutex<Vec<Value>>>) {
    std::thread::spawn(move || {
        for line in std::io::BufReader::new(stream).lines().map_while(Result::ok) {
            let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
            log.lock().unwrap().push(line);
        }
    });
}

fn text(log: &Mutex<Vec<Value>>) -> String {
    log.lock().unwrap().iter().map(|line| format!("{line}\n")).collect()
}
