//! The SSH server against the real OpenSSH client, with a test command handler.

mod commands;
mod limits;

use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Output as Finished, Stdio};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command as Process;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::commands::AppCommand;
use super::exec_command::ExecCommand;
use super::exit_status::ExitStatus;
use super::handler::{ChannelRequest, CommandHandler, ExecContext};
use super::server::{SshSettings, serve};
use crate::auth::Identity;

const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Prints each command. A push to `endless` waits until the client has disconnected and sends to `events`.
struct EchoHandler {
    alice: PublicKey,
    events: mpsc::Sender<&'static str>,
}

impl CommandHandler for EchoHandler {
    fn identify(&self, key: &PublicKey) -> Option<Identity> {
        let is_alice = key.key_data() == self.alice.key_data();
        is_alice.then(|| Identity { user: "alice".parse().unwrap(), admin: false, fingerprint: "SHA256:x".into() })
    }

    async fn run(&self, mut context: ExecContext) -> ExitStatus {
        let ExecContext { identity, request, protocol, input, output, disconnected, .. } = &mut context;
        match request {
            ChannelRequest::Exec(Ok(ExecCommand::ReceivePack(app))) if app.as_str() == "endless" => {
                self.events.send("started").await.unwrap();
                disconnected.cancelled().await;
                self.events.send("disconnected").await.unwrap();
                ExitStatus::FAILED
            }
            ChannelRequest::Exec(Ok(ExecCommand::ReceivePack(app))) if app.as_str() == "slow" => {
                self.events.send("started").await.unwrap();
                input.next_chunk().await;
                output.line("done").await;
                ExitStatus::OK
            }
            ChannelRequest::Exec(Ok(ExecCommand::App(AppCommand::UploadKey(_)))) => {
                match input.read_to_end(1 << 20).await {
                    Ok(bytes) => {
                        output.stdout(bytes).await;
                        ExitStatus::OK
                    }
                    Err(error) => {
                        output.error(&error.to_string()).await;
                        ExitStatus::FAILED
                    }
                }
            }
            ChannelRequest::Exec(Ok(ExecCommand::UploadArchive(_))) => panic!("a test panic"),
            ChannelRequest::Exec(Ok(command)) => {
                output
                    .line(&format!("{} {} {}", identity.user, command.name(), protocol.as_deref().unwrap_or("-")))
                    .await;
                output.stderr("to stderr\n").await;
                ExitStatus(7)
            }
            ChannelRequest::Exec(Err(error)) => {
                output.error(&error.to_string()).await;
                ExitStatus::USAGE
            }
            ChannelRequest::Shell => {
                output.line("no shell").await;
                ExitStatus::OK
            }
        }
    }
}

struct Fixture {
    dir: TempDir,
    address: SocketAddr,
    events: mpsc::Receiver<&'static str>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

fn new_key(dir: &Path, name: &str, algorithm: Algorithm) -> PublicKey {
    let key = PrivateKey::random(&mut safe_rng(), algorithm).unwrap();
    let text = key.to_openssh(LineEnding::LF).unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(name)).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    key.public_key().clone()
}

impl Fixture {
    async fn start(adjust: impl FnOnce(&mut SshSettings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let alice = new_key(dir.path(), "alice", Algorithm::Ed25519);
        let mut settings = SshSettings {
            host_key: PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap(),
            login_grace: Duration::from_secs(30),
            max_startups: 100,
            max_connections: 4096,
            max_sessions: 10,
            max_auth_tries: 6,
            keepalive: Duration::from_secs(15),
        };
        adjust(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, events) = mpsc::channel(8);
        let handler = Arc::new(EchoHandler { alice, events: sender });
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        tokio::spawn(serve(listener, settings, handler, shutdown.clone(), tasks.clone()));
        Self { dir, address, events, shutdown, tasks }
    }

    fn ssh(&self, key: &str, options: &[&str]) -> Process {
        let mut ssh = Process::new("ssh");
        ssh.args(["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR"]);
        ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ControlPath=none"]);
        ssh.arg("-i").arg(self.dir.path().join(key)).args(["-p", &self.address.port().to_string()]);
        ssh.args(options).arg("git@127.0.0.1").env_remove("SSH_AUTH_SOCK");
        ssh.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        ssh
    }

    async fn exec(&self, line: &str) -> Finished {
        timeout(TEST_TIMEOUT, self.ssh("alice", &[]).arg(line).output()).await.unwrap().unwrap()
    }

    async fn event(&mut self) -> &'static str {
        timeout(TEST_TIMEOUT, self.events.recv()).await.unwrap().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
