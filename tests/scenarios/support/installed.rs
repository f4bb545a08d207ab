//! slipway as it is really run: its image in a pod, installed with helm.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::gateway::{git, ssh_options};
use super::process::{Output, Running};
use super::{App, eventually, run, try_run, world};

/// Who the pod runs as.
const USER: &str = "10001:10001";
const IMAGE: &str = "slipway-test/slipway";
const REGISTRY: &str = "slipway-dev/registry";

/// An installation. It ends with the value.
pub struct Installed {
    /// The release, and everything of its name.
    pub name: String,
    dir: TempDir,
    pub values: Vec<String>,
}

impl Installed {
    pub fn prepared() -> Self {
        let dir = tempfile::tempdir().unwrap();
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "admin", "-f"])
            .arg(dir.path().join("admin")));
        let socket = world::engine().trim_start_matches("unix://").to_owned();
        let group = run(Command::new("stat").args(["-c", "%g", &socket])).stdout;
        let (registry, cache) = (world::free_port(), world::free_port());
        let values = [
            format!("image.repository={IMAGE}"),
            format!("image.tag={}", image()),
            "image.pullPolicy=Never".to_owned(),
            "service.type=NodePort".to_owned(),
            format!("builder.hostSocket.path={socket}"),
            format!("builder.hostSocket.group={}", group.trim()),
            format!("registry.sidecar.image={REGISTRY}"),
            format!("registry.sidecar.port={registry}"),
            format!("cache.port={cache}"),
        ];
        let installed = Self { name: world::unique("slipway"), dir, values: values.into() };
        world::kubectl(&["create", "namespace", &installed.name]);
        for claim in ["data", "registry"] {
            installed.make_volume(claim);
        }
        installed
    }

    /// No cluster has to make volumes by itself.
    pub fn make_volume(&self, claim: &str) {
        let (name, path) = (&self.name, self.volume(claim));
        std::fs::create_dir_all(&path).unwrap();
        run(Command::new("chown").arg(USER).arg(&path));
        world::apply(&format!(
            "{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: {name}-{claim}}}, spec: {{capacity: {{storage: 100Gi}}, \
             accessModes: [ReadWriteOnce], hostPath: {{path: {path}}}, \
             claimRef: {{namespace: {name}, name: {claim}-{name}-0}}}}}}",
            path = path.display()
        ));
    }

    /// Deletes a volume while slipway does not run, and starts slipway with an empty one.
    pub fn lose(&self, claim: &str) {
        self.kubectl(&["scale", "statefulset", &self.name, "--replicas=0"]);
        self.kubectl(&["wait", "pod", &format!("{}-0", self.name), "--for=delete", "--timeout=2m"]);
        self.kubectl(&["delete", "persistentvolumeclaim", &format!("{claim}-{}-0", self.name)]);
        world::kubectl(&["delete", "persistentvolume", &format!("{}-{claim}", self.name)]);
        std::fs::remove_dir_all(self.volume(claim)).unwrap();
        self.make_volume(claim);
        self.kubectl(&["scale", "statefulset", &self.name, "--replicas=1"]);
    }

    /// What Prometheus would read.
    pub fn metrics(&self) -> String {
        let path = format!("/api/v1/namespaces/{0}/services/{0}:http/proxy/metrics", self.name);
        world::kubectl(&["get", "--raw", &path])
    }

    pub fn volume(&self, claim: &str) -> PathBuf {
        self.dir.path().join(claim)
    }

    /// A path in a directory that ends with it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn helm(&self, arguments: &[&str]) -> Output {
        try_run(Command::new("helm").args(arguments).args(["--namespace", &self.name]))
    }

    pub fn install(&self) -> Output {
        let key = format!("keys.admin={}", self.dir.path().join("admin.pub").display());
        let mut arguments =
            vec!["upgrade", "--install", &self.name, "chart", "--wait", "--timeout", "3m", "--set-file", &key];
        for value in &self.values {
            arguments.extend(["--set", value]);
        }
        self.helm(&arguments)
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        world::kubectl(&[arguments, &["-n", &self.name]].concat())
    }

    /// The port of a node that leads to slipway.
    pub fn port(&self) -> String {
        let path = "jsonpath={.spec.ports[?(@.name==\"ssh\")].nodePort}";
        self.kubectl(&["get", "service", &self.name, "-o", path])
    }

    /// The file of host keys, as a user makes it from the ConfigMap.
    pub fn write_known_hosts(&self) {
        let lines = self.kubectl(&["get", "configmap", "slipway-known-hosts", "-o", "jsonpath={.data.*}"]);
        let line = lines.lines().next().unwrap().split_once(' ').unwrap().1.to_owned();
        std::fs::write(self.known_hosts(), format!("[127.0.0.1]:{} {line}\n", self.port())).unwrap();
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.dir.path().join("known_hosts")
    }

    pub fn push(&self, app: &App) -> Output {
        try_run(&mut self.push_command(app))
    }

    pub fn start_push(&self, app: &App) -> Running {
        Running::start(&mut self.push_command(app))
    }

    fn push_command(&self, app: &App) -> Command {
        let ssh = ssh_options(&self.dir.path().join("admin"), &self.known_hosts());
        let mut push = git(app.path());
        push.env("GIT_SSH_COMMAND", ["ssh".to_owned()].into_iter().chain(ssh).collect::<Vec<_>>().join(" "));
        push.args(["push", &format!("ssh://git@127.0.0.1:{}/{}", self.port(), app.name), "main"]);
        push
    }

    /// The pod's identity, once it is ready and the Service leads to it.
    pub fn ready(&self, before: &str) -> String {
        let pod = eventually("another pod is ready", || {
            let pod = world::object(&["pod", &format!("{}-0", self.name), "-n", &self.name])?;
            let uid = pod["metadata"]["uid"].as_str()?.to_owned();
            let conditions = pod["status"]["conditions"].as_array()?;
            let ready =
                conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
            (ready && uid != before).then_some(uid)
        });
        eventually("slipway answers", || (self.tell("help").code == Some(0)).then_some(()));
        pod
    }

    /// A command over SSH, as the admin.
    pub fn tell(&self, line: &str) -> Output {
        let mut ssh = Command::new("ssh");
        ssh.args(ssh_options(&self.dir.path().join("admin"), &self.known_hosts()));
        try_run(ssh.args(["-o", "ConnectTimeout=2", "-p", &self.port(), "git@127.0.0.1", line]))
    }

    pub fn may(&self, verb: &str, resource: &str, namespace: &str) -> bool {
        let account = format!("system:serviceaccount:{0}:{0}", self.name);
        let mut ask = Command::new("kubectl");
        ask.args(["auth", "can-i", verb, resource, "-n", namespace, "--as", &account]);
        try_run(&mut ask).stdout.trim() == "yes"
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = ["logs", "-n", &self.name, &format!("statefulset/{}", self.name), "-c", "slipway", "--tail=40"];
            let _ = Command::new("kubectl").args(logs).status();
            let _ = Command::new("kubectl").args(["describe", "pods", "-n", &self.name]).status();
        }
        let _ = self.helm(&["uninstall", &self.name, "--wait", "--timeout", "1m"]);
        let _ =
            Command::new("kubectl").args(["delete", "namespace", &self.name, "--wait=true", "--timeout=1m"]).output();
        for claim in ["data", "registry"] {
            let volume = format!("{}-{claim}", self.name);
            let _ = Command::new("kubectl").args(["delete", "persistentvolume", &volume, "--wait=false"]).output();
        }
    }
}

/// slipway's image with the program under test: its tag.
fn image() -> String {
    let tag = world::unique("test");
    run(Command::new("dev/image").args([env!("CARGO_BIN_EXE_slipway"), &format!("{IMAGE}:{tag}")]));
    tag
}
