//! A registry of one test's own.

use std::process::Command;

use tempfile::TempDir;

use super::process::Running;
use super::world;

/// The user of a registry that asks for a password.
pub const USER: &str = "slipway";
/// Another, whose password is always the second.
pub const NODES: &str = "nodes";
/// Two passwords, and what bcrypt makes of them as `htpasswd -B` does.
pub const PASSWORDS: [(&str, &str); 2] = [
    ("first-canary-pw", "$2y$05$abcdefghijklmnopqrstuu7dl4mequDawm7xGcvNu6egj54RLuuma"),
    ("second-canary-pw", "$2y$05$abcdefghijklmnopqrstuun1wxF6neRsC3pURSaCrR179UqkSjZca"),
];

/// It ends with the value, and its images with it.
pub struct OwnRegistry {
    pub port: u16,
    dir: TempDir,
    process: Running,
}

impl OwnRegistry {
    /// One that asks for the first of the passwords, if it is to ask at all; on all of this machine's addresses.
    pub fn start(asks: bool) -> Self {
        Self::start_at(world::free_port(), asks)
    }

    /// The same at a port that is known already.
    pub fn start_at(port: u16, asks: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let auth = format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", path("htpasswd"));
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\n{}storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: ':{port}'}}\n",
            if asks { &auth } else { "" },
            path("data"),
        );
        std::fs::write(path("config.yml"), config).unwrap();
        std::fs::write(path("htpasswd"), htpasswd(0)).unwrap();
        let process = Running::start(Command::new("docker-registry").args(["serve", &path("config.yml")]));
        process.until("listening on");
        Self { port, dir, process }
    }

    /// The address by which the Engine takes it to speak plain HTTP.
    pub fn local(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The address by which the Engine expects TLS of it.
    pub fn of_the_node(&self) -> String {
        format!("{}:{}", world::node_address(), self.port)
    }

    /// Takes only this one of the passwords from now on.
    pub fn set_password(&self, number: usize) {
        std::fs::write(self.dir.path().join("htpasswd"), htpasswd(number)).unwrap();
    }

    /// How often a kubelet has got an image by its digest, and with the password.
    pub fn pulls(&self, digest: &str) -> usize {
        let of_a_pull = ["msg=\"authorized request\"", "UpstreamClient(Go-http-client", digest];
        self.process.text().lines().filter(|line| of_a_pull.iter().all(|text| line.contains(text))).count()
    }
}

fn htpasswd(number: usize) -> String {
    format!("{USER}:{}\n{NODES}:{}\n", PASSWORDS[number].1, PASSWORDS[1].1)
}
