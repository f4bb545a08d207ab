//! slipway as users install it: its image in a pod, installed with the chart.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::background::BackgroundCommand;
use super::client::{generate_key, git, git_ssh_command, ssh_options};
use super::persistent_volume::PersistentVolume;
use super::process::Output;
use super::{App, environment, eventually, kubectl, run, try_run, wait_until};

/// The uid and gid of the pod.
const USER: &str = "10001:10001";
const IMAGE: &str = "slipway-test/slipway";
const REGISTRY_IMAGE: &str = "slipway-dev/registry";

/// A Helm release of the chart. It is uninstalled when the value is dropped.
pub struct Installation {
    /// The name of the release, of its namespace and of its objects.
    pub name: String,
    /// The chart's values, as arguments of `--set`.
    pub values: Vec<String>,
    /// Deleted before `dir`, which has their data.
    volumes: Vec<(String, PersistentVolume)>,
    dir: TempDir,
}

/// Installing.
impl Installation {
    /// A namespace with volumes, in which slipway is not installed yet.
    pub fn prepared() -> Self {
        let dir = tempfile::tempdir().unwrap();
        generate_key(&dir.path().join("admin"), "admin");
        let socket = environment::engine_url().trim_start_matches("unix://").to_owned();
        let group = run(Command::new("stat").args(["-c", "%g", &socket])).stdout;
        let values = [
            format!("image.repository={IMAGE}"),
            format!("image.tag={}", build_image()),
            "image.pullPolicy=Never".to_owned(),
            "service.type=NodePort".to_owned(),
            format!("builder.hostSocket.path={socket}"),
            format!("builder.hostSocket.group={}", group.trim()),
            format!("registry.sidecar.image={REGISTRY_IMAGE}"),
            format!("registry.sidecar.port={}", environment::free_port()),
            format!("cache.port={}", environment::free_port()),
        ];
        let name = environment::unique_name("slipway");
        let mut installation = Self { name, values: values.into(), volumes: Vec::new(), dir };
        kubectl(&["create", "namespace", &installation.name]);
        for claim in ["data", "registry"] {
            installation.create_volume(claim);
        }
        installation
    }

    /// An installation that is ready.
    #[track_caller]
    pub fn started() -> Self {
        let installation = Self::prepared();
        installation.start();
        installation
    }

    /// Installs or upgrades the release.
    #[track_caller]
    pub fn install(&self) -> Output {
        let key = format!("keys.admin={}", self.path("admin.pub").display());
        let mut arguments =
            vec!["upgrade", "--install", &self.name, "chart", "--wait", "--timeout", "3m", "--set-file", &key];
        for value in &self.values {
            arguments.extend(["--set", value]);
        }
        self.helm(&arguments)
    }

    /// Installs the release, waits until it is ready, and returns the pod's uid.
    #[track_caller]
    pub fn start(&self) -> String {
        self.install().ok();
        self.write_known_hosts();
        self.wait_for_new_pod("")
    }

    /// Waits until a pod with another uid is ready and the Service routes to it, and returns the pod's uid.
    #[track_caller]
    pub fn wait_for_new_pod(&self, previous: &str) -> String {
        let uid = eventually("another pod is ready", || {
            let pod = kubectl::get(&["pod", &self.pod_name(), "-n", &self.name])?;
            let uid = pod["metadata"]["uid"].as_str()?.to_owned();
            let conditions = pod["status"]["conditions"].as_array()?;
            let is_ready =
                conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
            (is_ready && uid != previous).then_some(uid)
        });
        wait_until("slipway answers", || self.run_command("help").code == Some(0));
        uid
    }

    fn helm(&self, arguments: &[&str]) -> Output {
        try_run(Command::new("helm").args(arguments).args(["--namespace", &self.name]))
    }

    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&[arguments, &["-n", &self.name]].concat())
    }

    pub fn pod_name(&self) -> String {
        format!("{}-0", self.name)
    }

    /// A path in a directory that is removed with the value.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Volumes.
impl Installation {
    /// The directory of a claim's volume.
    pub fn volume_path(&self, claim: &str) -> PathBuf {
        self.path(claim)
    }

    fn create_volume(&mut self, claim: &str) {
        let path = self.volume_path(claim);
        std::fs::create_dir_all(&path).unwrap();
        run(Command::new("chown").arg(USER).arg(&path));
        let name = format!("{}-{claim}", self.name);
        let claim_name = format!("{claim}-{}", self.pod_name());
        let volume = PersistentVolume::for_claim(&name, &self.name, &claim_name, "100Gi", &path);
        self.volumes.push((claim.to_owned(), volume));
    }

    /// Replaces a volume by an empty one while slipway does not run, and starts slipway again.
    pub fn lose_volume(&mut self, claim: &str) {
        let pod = self.pod_name();
        self.kubectl(&["scale", "statefulset", &self.name, "--replicas=0"]);
        self.kubectl(&["wait", "pod", &pod, "--for=delete", "--timeout=2m"]);
        self.kubectl(&["delete", "persistentvolumeclaim", &format!("{claim}-{pod}")]);
        kubectl(&["delete", "persistentvolume", &format!("{}-{claim}", self.name)]);
        self.volumes.retain(|(name, _)| name != claim);
        std::fs::remove_dir_all(self.volume_path(claim)).unwrap();
        self.create_volume(claim);
        self.kubectl(&["scale", "statefulset", &self.name, "--replicas=1"]);
    }
}

/// Using slipway.
impl Installation {
    #[track_caller]
    pub fn push(&self, app: &App) -> Output {
        try_run(&mut self.push_command(app))
    }

    pub fn start_push(&self, app: &App) -> BackgroundCommand {
        BackgroundCommand::start(&mut self.push_command(app))
    }

    fn push_command(&self, app: &App) -> Command {
        let mut push = git(app.path());
        push.env("GIT_SSH_COMMAND", git_ssh_command(&self.path("admin"), &self.known_hosts()));
        push.args(["push", &format!("ssh://git@127.0.0.1:{}/{}", self.ssh_port(), app.name), "main"]);
        push
    }

    /// Runs one of slipway's commands over SSH as the admin.
    #[track_caller]
    pub fn run_command(&self, line: &str) -> Output {
        let mut ssh = Command::new("ssh");
        ssh.args(ssh_options(&self.path("admin"), &self.known_hosts()));
        try_run(ssh.args(["-o", "ConnectTimeout=2", "-p", &self.ssh_port(), "git@127.0.0.1", line]))
    }

    /// The Service's node port for SSH.
    fn ssh_port(&self) -> String {
        let path = "jsonpath={.spec.ports[?(@.name==\"ssh\")].nodePort}";
        self.kubectl(&["get", "service", &self.name, "-o", path])
    }

    fn known_hosts(&self) -> PathBuf {
        self.path("known_hosts")
    }

    /// Writes the host keys from the ConfigMap, as users do.
    pub fn write_known_hosts(&self) {
        let lines = self.kubectl(&["get", "configmap", "slipway-known-hosts", "-o", "jsonpath={.data.*}"]);
        let line = lines.lines().next().unwrap().split_once(' ').unwrap().1.to_owned();
        std::fs::write(self.known_hosts(), format!("[127.0.0.1]:{} {line}\n", self.ssh_port())).unwrap();
    }

    pub fn metrics(&self) -> String {
        let path = format!("/api/v1/namespaces/{0}/services/{0}:http/proxy/metrics", self.name);
        kubectl(&["get", "--raw", &path])
    }

    #[track_caller]
    pub fn log(&self) -> String {
        self.kubectl(&["logs", &self.pod_name()])
    }

    /// Whether slipway's ServiceAccount has a permission, as `kubectl auth can-i` reports it.
    pub fn can_i(&self, verb: &str, resource: &str, namespace: &str) -> bool {
        let account = format!("system:serviceaccount:{0}:{0}", self.name);
        let mut can_i = Command::new("kubectl");
        can_i.args(["auth", "can-i", verb, resource, "-n", namespace, "--as", &account]);
        try_run(&mut can_i).stdout.trim() == "yes"
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = ["logs", "-n", &self.name, &format!("statefulset/{}", self.name), "-c", "slipway", "--tail=40"];
            let _ = Command::new("kubectl").args(logs).status();
            let _ = Command::new("kubectl").args(["describe", "pods", "-n", &self.name]).status();
        }
        let _ = self.helm(&["uninstall", &self.name, "--wait", "--timeout", "1m"]);
        let _ =
            Command::new("kubectl").args(["delete", "namespace", &self.name, "--wait=true", "--timeout=1m"]).output();
    }
}

/// Builds slipway's image with the program under test, and returns its tag.
fn build_image() -> String {
    let tag = environment::unique_name("test");
    run(Command::new("dev/image").args([env!("CARGO_BIN_EXE_slipway"), &format!("{IMAGE}:{tag}")]));
    tag
}
