//! The cluster, the Engine and the registry that `make test` started.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use super::process::{run, try_run, try_run_with};

/// A variable that `make env` prints.
pub fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `make test`, or `eval \"$(make -s env)\"` after `make up`"))
}

/// `HOST:PORT` of the registry.
pub fn registry() -> String {
    variable("SLIPWAY_REGISTRY")
}

/// The Engine's address.
pub fn engine() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

/// A name that no other test and no other run uses.
pub fn unique(hint: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{hint}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The node's own address, by which its pods reach it.
pub fn node_address() -> String {
    let address = "jsonpath={.items[0].status.addresses[?(@.type==\"InternalIP\")].address}";
    kubectl(&["get", "nodes", "-o", address])
}

/// A port that nothing listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `kubectl ARGUMENTS`, which must succeed: its standard output.
#[track_caller]
pub fn kubectl(arguments: &[&str]) -> String {
    run(Command::new("kubectl").args(arguments)).stdout
}

/// A kubeconfig for the cluster, as somebody else.
pub fn kubeconfig_with_token(token: &str) -> String {
    let config = kubectl(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]);
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["users"][0]["user"] = serde_json::json!({ "token": token });
    config.to_string()
}

/// `kubectl ARGUMENTS -o json`, or nothing where there is no such object.
pub fn object(arguments: &[&str]) -> Option<Value> {
    let output = try_run(Command::new("kubectl").arg("get").args(arguments).args(["-o", "json"]));
    if output.code != Some(0) {
        assert!(output.stderr.contains("NotFound"), "{}", output.stderr);
        return None;
    }
    Some(serde_json::from_str(&output.stdout).unwrap())
}

/// `kubectl apply -f -`
#[track_caller]
pub fn apply(manifest: &str) {
    try_run_with(Command::new("kubectl").args(["apply", "-f", "-"]), manifest).ok();
}

/// Name of an image with busybox and nothing else, for Dockerfiles to start from. What busybox runs as a container's
/// first process ignores SIGTERM, and would take all of its pod's grace period to end.
pub fn base_image() -> &'static str {
    static NAME: OnceLock<()> = OnceLock::new();
    const IMAGE: &str = "slipway-test/base";
    NAME.get_or_init(|| {
        if try_run(Command::new("docker").args(["image", "inspect", IMAGE])).code == Some(0) {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let busybox = run(Command::new("sh").args(["-c", "command -v busybox"])).stdout;
        std::fs::copy(busybox.trim(), dir.path().join("busybox")).unwrap();
        let dockerfile =
            "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nSTOPSIGNAL SIGKILL\n";
        std::fs::write(dir.path().join("Dockerfile"), dockerfile).unwrap();
        run(Command::new("docker").args(["build", "-q", "-t", IMAGE]).arg(dir.path()));
    });
    IMAGE
}
