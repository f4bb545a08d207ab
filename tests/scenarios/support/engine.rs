//! A second Docker Engine, which is reached as one on another machine is: over TCP, with TLS on both sides.

use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::certificates::Authority;
use super::process::Running;

/// It runs no containers, so it needs no network of its own. It ends with the value.
pub struct RemoteEngine {
    pub url: String,
    dir: TempDir,
    process: Option<Running>,
}

impl RemoteEngine {
    /// Who connects has to show a certificate that this authority signed.
    pub fn start(authority: &Authority, address: &str, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("tcp://{address}:{}", super::world::free_port());
        let mut dockerd = Command::new("dockerd");
        // not the one of the Engine that is there
        let config = dir.path().join("daemon.json");
        std::fs::write(&config, "{}").unwrap();
        dockerd.arg("--config-file").arg(config);
        dockerd.args(["--bridge=none", "--iptables=false", "--tlsverify", "-H", &url]).args(flags);
        for (flag, place) in [("data-root", "data"), ("exec-root", "exec"), ("pidfile", "docker.pid")] {
            dockerd.arg(format!("--{flag}={}", dir.path().join(place).display()));
        }
        for (flag, file) in [("tlscacert", "ca.pem"), ("tlscert", "cert.pem"), ("tlskey", "key.pem")] {
            dockerd.arg(format!("--{flag}={}", authority.path("server").join(file).display()));
        }
        let process = Running::start(&mut dockerd);
        process.until("API listen on");
        Self { url, dir, process: Some(process) }
    }
}

impl Drop for RemoteEngine {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        // asked to, it ends what it started and unmounts what it mounted
        process.signal(Signal::SIGTERM);
        let text = process.finish().stdout;
        if std::thread::panicking() {
            eprintln!("--- log of the Engine in {}\n{text}", self.dir.path().display());
        }
    }
}
