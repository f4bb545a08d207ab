//! A registry for one test, with or without a password.

use std::process::Command;

use tempfile::TempDir;

use super::background::BackgroundCommand;
use super::{Gateway, environment};

/// The user of a registry with a password.
pub const USER: &str = "slipway";
/// Another user, whose password is always the second one.
pub const NODES: &str = "nodes";
/// Two passwords, and their bcrypt hashes as `htpasswd -B` prints them. Tests search logs and output for "canary".
pub const PASSWORDS: [(&str, &str); 2] = [
    ("first-canary-pw", "$2y$05$abcdefghijklmnopqrstuu7dl4mequDawm7xGcvNu6egj54RLuuma"),
    ("second-canary-pw", "$2y$05$abcdefghijklmnopqrstuun1wxF6neRsC3pURSaCrR179UqkSjZca"),
];

/// A registry on all of this machine's addresses. It is stopped, and its images deleted, when the value is dropped.
pub struct TestRegistry {
    pub port: u16,
    dir: TempDir,
    process: BackgroundCommand,
}

impl TestRegistry {
    pub fn start() -> Self {
        Self::start_at(environment::free_port())
    }

    pub fn start_at(port: u16) -> Self {
        Self::start_with_config(port, "")
    }

    /// Starts a registry that requires the first password.
    pub fn start_with_password() -> Self {
        Self::start_with_config(environment::free_port(), include_str!("../fixtures/registry-auth.yml"))
    }

    fn start_with_config(port: u16, auth: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = format!("{}{auth}", include_str!("../fixtures/registry.yml"))
            .replace("DIRECTORY", &dir.path().display().to_string())
            .replace("PORT", &port.to_string());
        let path = dir.path().join("config.yml");
        std::fs::write(&path, config).unwrap();
        std::fs::write(dir.path().join("htpasswd"), htpasswd(0)).unwrap();
        let process = BackgroundCommand::start(Command::new("docker-registry").arg("serve").arg(&path));
        process.wait_for_output("listening on");
        Self { port, dir, process }
    }

    /// An address to which the Engine speaks plain HTTP.
    pub fn http_address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// An address at which the Engine expects TLS, which the registry does not speak.
    pub fn tls_address(&self) -> String {
        format!("{}:{}", environment::node_address(), self.port)
    }

    /// Changes the password of [`USER`] to one of [`PASSWORDS`].
    pub fn set_password(&self, index: usize) {
        std::fs::write(self.dir.path().join("htpasswd"), htpasswd(index)).unwrap();
    }

    /// Prepares a gateway that pushes to the registry with one of [`PASSWORDS`], which is in the gateway's file `password`.
    pub fn prepare_gateway(&self, password: usize) -> Gateway {
        let mut gateway = Gateway::prepared(&[]);
        let file = gateway.path("password");
        std::fs::write(&file, PASSWORDS[password].0).unwrap();
        gateway.set(&[
            ("SLIPWAY_REGISTRY_PUSH", &self.http_address()),
            ("SLIPWAY_REGISTRY_USER", USER),
            ("SLIPWAY_REGISTRY_PASSWORD_FILE", file.to_str().unwrap()),
        ]);
        gateway
    }

    /// The number of authenticated pulls of an image, by digest, by a kubelet.
    pub fn authenticated_pulls(&self, digest: &str) -> usize {
        let texts = ["msg=\"authorized request\"", "UpstreamClient(Go-http-client", digest];
        self.process.output().lines().filter(|line| texts.iter().all(|text| line.contains(text))).count()
    }
}

fn htpasswd(index: usize) -> String {
    format!("{USER}:{}\n{NODES}:{}\n", PASSWORDS[index].1, PASSWORDS[1].1)
}
