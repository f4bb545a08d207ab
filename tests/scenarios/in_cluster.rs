//! slipway as it is really run: its image in a pod, installed with helm.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::support::gateway::{git, ssh_options};
use crate::support::process::Output;
use crate::support::{App, eventually, run, try_run, world};

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
    fn make_volume(&self, claim: &str) {
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

    fn volume(&self, claim: &str) -> PathBuf {
        self.dir.path().join(claim)
    }

    fn helm(&self, arguments: &[&str]) -> Output {
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
    fn port(&self) -> String {
        let path = "jsonpath={.spec.ports[?(@.name==\"ssh\")].nodePort}";
        self.kubectl(&["get", "service", &self.name, "-o", path])
    }

    /// The file of host keys, as a user makes it from the ConfigMap.
    pub fn write_known_hosts(&self) {
        let lines = self.kubectl(&["get", "configmap", "slipway-known-hosts", "-o", "jsonpath={.data.*}"]);
        let line = lines.lines().next().unwrap().split_once(' ').unwrap().1.to_owned();
        std::fs::write(self.known_hosts(), format!("[127.0.0.1]:{} {line}\n", self.port())).unwrap();
    }

    fn known_hosts(&self) -> PathBuf {
        self.dir.path().join("known_hosts")
    }

    pub fn push(&self, app: &App) -> Output {
        let ssh = ssh_options(&self.dir.path().join("admin"), &self.known_hosts());
        let mut push = git(app.path());
        push.env("GIT_SSH_COMMAND", ["ssh".to_owned()].into_iter().chain(ssh).collect::<Vec<_>>().join(" "));
        push.args(["push", &format!("ssh://git@127.0.0.1:{}/{}", self.port(), app.name), "main"]);
        try_run(&mut push)
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
    fn tell(&self, line: &str) -> Output {
        let mut ssh = Command::new("ssh");
        ssh.args(ssh_options(&self.dir.path().join("admin"), &self.known_hosts()));
        try_run(ssh.args(["-o", "ConnectTimeout=2", "-p", &self.port(), "git@127.0.0.1", line]))
    }

    fn may(&self, verb: &str, resource: &str, namespace: &str) -> bool {
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

#[test]
fn a_first_push_from_outside_goes_live_and_nothing_is_lost_with_the_pod() {
    let slipway = Installed::prepared();
    slipway.install().ok().says("Push an app that has a Dockerfile");
    slipway.write_known_hosts();
    let app = App::web("one");
    let first = slipway.ready("");
    slipway.push(&app).ok().says("Released v1");
    app.shows("one");
    // the kubelet pulled by the cache of its node
    let cache = slipway.values.iter().find_map(|value| value.strip_prefix("cache.port=")).unwrap();
    let deployment = app.object("deployment", &app.name).unwrap().to_string();
    assert!(deployment.contains(&format!("localhost:{cache}/{}@sha256:", app.name)), "{deployment}");
    // rights where they are needed, and nowhere else
    assert!(slipway.may("list", "secrets", &app.name));
    assert!(!slipway.may("list", "secrets", "default"));
    assert!(!slipway.may("create", "deployments", "default"));

    slipway.kubectl(&["delete", "pod", &format!("{}-0", slipway.name)]);
    let second = slipway.ready(&first);
    app.write("index.html", "two");
    app.commit("second");
    let collected = slipway.kubectl(&["logs", &format!("{}-0", slipway.name), "-c", "collect-garbage"]);
    assert!(collected.contains("blobs marked"), "{collected}");
    // with the same host key, keys and repository
    slipway.push(&app).ok().says("Released v2");
    app.shows("two");

    // the volume of the repositories too
    slipway.kubectl(&["scale", "statefulset", &slipway.name, "--replicas=0"]);
    slipway.kubectl(&["wait", "pod", &format!("{}-0", slipway.name), "--for=delete", "--timeout=2m"]);
    slipway.kubectl(&["delete", "persistentvolumeclaim", &format!("data-{}-0", slipway.name)]);
    world::kubectl(&["delete", "persistentvolume", &format!("{}-data", slipway.name)]);
    std::fs::remove_dir_all(slipway.volume("data")).unwrap();
    slipway.make_volume("data");
    slipway.kubectl(&["scale", "statefulset", &slipway.name, "--replicas=1"]);
    slipway.ready(&second);
    app.shows("two");
    app.write("index.html", "three");
    app.commit("third");
    slipway.push(&app).ok().says("Released v3");
    app.shows("three");
    let history = run(Command::new("helm").args(["history", &app.name, "-n", &app.name])).stdout;
    assert_eq!(history.lines().count(), 4, "{history}");

    // rights that somebody took away are taken again, by whatever needs them first
    world::kubectl(&["delete", "rolebinding", "slipway", "-n", &app.name]);
    slipway.tell(&format!("rollback {} v2", app.name)).ok().says("Released v4");
    app.shows("two");
    world::kubectl(&["delete", "rolebinding", "slipway", "-n", &app.name]);
    slipway.tell(&format!("apps:destroy {} --force", app.name)).ok().says("is gone");
    assert_eq!(world::object(&["namespace", &app.name]), None);
}

#[test]
fn rights_that_are_missing_are_named_at_the_start() {
    let namespace = world::unique("slipway-test");
    world::kubectl(&["create", "namespace", &namespace]);
    world::kubectl(&["create", "serviceaccount", "nobody", "-n", &namespace]);
    let token = world::kubectl(&["create", "token", "nobody", "-n", &namespace]);
    let gateway = crate::support::Gateway::prepared(&[]);
    let path = gateway.path("kubeconfig");
    std::fs::write(&path, world::kubeconfig_with_token(token.trim())).unwrap();
    let mut command = gateway.command();
    command.env("KUBECONFIG", &path).env("SLIPWAY_NAMESPACE", &namespace);
    let ended = try_run(&mut command);
    world::kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for right in
        [&format!("list configmaps in namespace {namespace}"), "create namespaces in the whole cluster", "get pods/log"]
    {
        assert!(ended.contains(right), "{right} is not in {ended:?}");
    }
}

#[test]
fn values_that_contradict_each_other_are_refused_by_helm() {
    let template = |values: &[&str]| {
        let mut helm = Command::new("helm");
        helm.args(["template", "slipway", "chart", "--set", "image.repository=x"]);
        for value in values {
            helm.args(["--set", value]);
        }
        try_run(&mut helm)
    };
    template(&[]).ok();
    let remote = ["builder.mode=remote", "builder.remote.url=tcp://engine:2376"];
    template(&remote).fails().says("/registry/mode");
    template(&[remote[0], remote[1], "registry.mode=external", "registry.external.address=r.example"]).ok();
    template(&["builder.mode=remote", "registry.mode=external", "registry.external.address=r"])
        .fails()
        .says("/builder/remote/url");
    template(&["builder.remote.tlsSecret=5"]).fails().says("/builder/remote/tlsSecret");
    template(&["registry.mode=external"]).fails().says("/registry/external/address");
    let external = ["registry.mode=external", "registry.external.address=r.example"];
    template(&[external[0], external[1], "registry.external.user=u"]).fails().says("/passwordSecret/name");
    let pull_user = [external[0], external[1], "registry.external.pullUser=u"];
    template(&pull_user).fails().says("/pullPasswordSecret/name");
    template(&[external[0], external[1], "registry.external.pullSecret=name"]).fails().says("/external/pullSecret");
    template(&["ingress.enabled=true"]).fails().says("/ingress/host");
    template(&["service.type=nodeport"]).fails().says("/service/type");
    template(&["sevice.type=NodePort"]).fails().says("sevice");
    try_run(Command::new("helm").args(["template", "slipway", "chart"])).fails().says("/image/repository");
    template(&["service.type=LoadBalancer"]).ok();
}

/// What helm makes of the chart, without what it makes up anew each time.
fn rendered(values: &str) -> String {
    let mut helm = Command::new("helm");
    helm.args([
        "template",
        "slipway",
        "chart",
        "--namespace",
        "slipway",
        "--set",
        "image.repository=registry.example/slipway",
    ]);
    let text = run(helm.args(["--set", values])).stdout;
    let made_up = ["  password: ", "  htpasswd: ", "  http-secret: "];
    let lines = text.lines().map(|line| match made_up.iter().find(|key| line.starts_with(*key)) {
        Some(key) => format!("{key}made-up"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_charts_objects_are_these_and_an_api_server_takes_them() {
    let outside = "builder.mode=remote,builder.remote.url=tcp://engine:2376,builder.remote.tlsSecret=engine-tls,registry.mode=external,\
        registry.external.address=registry.example,registry.external.user=slipway,\
        registry.external.passwordSecret.name=registry,\
        registry.external.pullUser=nodes,registry.external.pullPasswordSecret.name=registry-pull,rbac.scope=cluster";
    let seen = "service.type=LoadBalancer,publicAddress=git.example:22,ingress.enabled=true,ingress.host=slipway.example,\
        networkPolicy.enabled=true,metrics.dashboard.enabled=true,builder.mode=dind";
    for (name, values) in
        [("chart_by_default", "service.type=ClusterIP"), ("chart_outside", outside), ("chart_seen", seen)]
    {
        let objects = rendered(values);
        let mut apply = Command::new("kubectl");
        apply.args(["apply", "--dry-run=server", "-n", "default", "-f", "-"]);
        let objects_here = objects.replace("namespace: slipway", "namespace: default");
        crate::support::process::try_run_with(&mut apply, &objects_here).ok();
        // the dashboard is a file of its own
        let lines = objects.lines().filter(|line| !line.starts_with("  slipway.json: "));
        insta::assert_snapshot!(name, lines.collect::<Vec<_>>().join("\n"));
    }
}
