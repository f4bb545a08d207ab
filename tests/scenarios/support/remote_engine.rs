//! A second Docker Engine, which listens on TCP with TLS like one on another machine.

use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::background::BackgroundCommand;
use super::certificates::CertificateAuthority;
use super::environment;

/// An Engine that only builds: it runs no containers, and needs no network of its own. It is stopped when the value is dropped.
pub struct RemoteEngine {
    pub url: String,
    dir: TempDir,
    process: Option<BackgroundCommand>,
}

impl RemoteEngine {
    /// Starts an Engine that requires client certificates of the authority.
    pub fn start(authority: &CertificateAuthority, address: &str, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("tcp://{address}:{}", environment::free_port());
        let mut dockerd = Command::new("dockerd");
        // the default file is the first Engine's
        let config = dir.path().join("daemon.json");
        std::fs::write(&config, "{}").unwrap();
        dockerd.arg("--config-file").arg(config);
        dockerd.args(["--bridge=none", "--iptables=false", "--tlsverify", "-H", &url]).args(flags);
        for (flag, name) in [("data-root", "data"), ("exec-root", "exec"), ("pidfile", "docker.pid")] {
            dockerd.arg(format!("--{flag}={}", dir.path().join(name).display()));
        }
        for (flag, file) in [("tlscacert", "ca.pem"), ("tlscert", "cert.pem"), ("tlskey", "key.pem")] {
            dockerd.arg(format!("--{flag}={}", authority.path("server").join(file).display()));
        }
        let process = BackgroundCommand::start(&mut dockerd);
        process.wait_for_output("API listen on");
        Self { url, dir, process: Some(process) }
    }
}

impl Drop for RemoteEngine {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        // on SIGTERM, dockerd stops its containerd and unmounts its file systems
        process.signal(Signal::SIGTERM);
        let log = process.wait().stdout;
        if std::thread::panicking() {
            eprintln!("--- log of the Engine in {}\n{log}", self.dir.path().display());
        }
    }
}
