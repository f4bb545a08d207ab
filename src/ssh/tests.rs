//! The protocol against the real OpenSSH client, with users and commands that live in memory.

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
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command as Process;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::command::Command;
use super::server::{SshSettings, serve};
use super::verb::Verb;
use super::{Backend, Exit, Invocation, Request};
use crate::keys::Identity;

const SOON: Duration = Duration::from_secs(20);

/// Answers with what it was asked; a push of `endless` waits until the client has gone and tells `events`.
struct Echo {
    alice: PublicKey,
    events: mpsc::Sender<&'static str>,
}

impl Backend for Echo {
    fn identify(&self, key: &PublicKey) -> Option<Identity> {
        let known = key.key_data() == self.alice.key_data();
        known.then(|| Identity { user: "alice".parse().unwrap(), admin: false, fingerprint: "SHA256:x".into() })
    }

    async fn run(&self, mut invocation: Invocation) -> Exit {
        let Invocation { identity, request, protocol, input, output, gone, .. } = &mut invocation;
        match request {
            Request::Exec(Ok(Command::ReceivePack(app))) if app.as_str() == "endless" => {
                self.events.send("began").await.unwrap();
                gone.cancelled().await;
                self.events.send("gone").await.unwrap();
                Exit::FAILED
            }
            Request::Exec(Ok(Command::ReceivePack(app))) if app.as_str() == "slow" => {
                self.events.send("began").await.unwrap();
                input.chunk().await;
                output.line("done").await;
                Exit::OK
            }
            Request::Exec(Ok(Command::Verb(Verb::UploadKey { .. }))) => match input.read_to_end(1 << 20).await {
                Ok(bytes) => {
                    output.stdout(bytes).await;
                    Exit::OK
                }
                Err(error) => {
                    output.failure(&error.to_string()).await;
                    Exit::FAILED
                }
            },
            Request::Exec(Ok(Command::UploadArchive(_))) => panic!("as asked"),
            Request::Exec(Ok(command)) => {
                output
                    .line(&format!("{} {} {}", identity.user, command.verb(), protocol.as_deref().unwrap_or("-")))
                    .await;
                output.stderr("on the side\n").await;
                Exit(7)
            }
            Request::Exec(Err(error)) => {
                output.failure(&error.to_string()).await;
                Exit::USAGE
            }
            Request::Shell => {
                output.line("no shell").await;
                Exit::OK
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
        let backend = Arc::new(Echo { alice, events: sender });
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        tokio::spawn(serve(listener, settings, backend, shutdown.clone(), tasks.clone()));
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
        timeout(SOON, self.ssh("alice", &[]).arg(line).output()).await.unwrap().unwrap()
    }

    async fn event(&mut self) -> &'static str {
        timeout(SOON, self.events.recv()).await.unwrap().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_known_key_runs_a_command_and_gets_its_output_and_exit_status() {
    let fixture = Fixture::start(|_| {}).await;
    let mut ssh = fixture.ssh("alice", &["-o", "SetEnv=GIT_PROTOCOL=version=2", "-o", "SetEnv=GIT_DIR=/etc"]);
    let done = timeout(SOON, ssh.arg("git-upload-pack '/x'").output()).await.unwrap().unwrap();
    assert_eq!(text(&done.stdout), "alice upload-pack version=2\n");
    assert_eq!(text(&done.stderr), "on the side\n");
    assert_eq!(done.status.code(), Some(7));
}

#[tokio::test]
async fn the_user_name_does_not_matter() {
    let fixture = Fixture::start(|_| {}).await;
    let done = timeout(SOON, fixture.ssh("alice", &["-l", "root"]).arg("help").output()).await.unwrap().unwrap();
    assert_eq!(text(&done.stdout), "alice help -\n");
}

#[tokio::test]
async fn an_unknown_key_is_refused_and_no_other_method_is_offered() {
    let fixture = Fixture::start(|_| {}).await;
    new_key(fixture.dir.path(), "mallory", Algorithm::Ed25519);
    for user in ["alice", "nobody"] {
        let mut ssh = fixture.ssh("mallory", &["-l", user]);
        let done = timeout(SOON, ssh.arg("help").output()).await.unwrap().unwrap();
        assert_eq!(done.status.code(), Some(255));
        assert_eq!(text(&done.stderr), format!("{user}@127.0.0.1: Permission denied (publickey).\r\n"));
    }
}

#[tokio::test]
async fn bytes_pass_unchanged_in_both_directions_while_the_client_keeps_its_side_open() {
    let fixture = Fixture::start(|_| {}).await;
    let sent: Vec<u8> = (0..1_000_000_u32).flat_map(|n| n.to_le_bytes()).take(1 << 20).collect();
    let mut ssh = fixture.ssh("alice", &[]).arg("upload-key x").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = ssh.stdin.take().unwrap();
    let bytes = sent.clone();
    tokio::spawn(async move {
        stdin.write_all(&bytes).await.unwrap();
    });
    let done = timeout(SOON, ssh.wait_with_output()).await.unwrap().unwrap();
    assert!(done.status.success() && done.stdout == sent);
}

#[tokio::test]
async fn what_is_no_command_exits_with_2_and_says_so() {
    let fixture = Fixture::start(|_| {}).await;
    let done = fixture.exec("git-receive-pack 'x'; id").await;
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(2), String::new()));
    assert!(text(&done.stderr).starts_with(" !     "), "{}", text(&done.stderr));
    let done = fixture.exec(&"a".repeat(100_000)).await;
    assert_eq!(text(&done.stderr), " !     the command is longer than 4096 bytes\n");
}

#[tokio::test]
async fn a_fault_of_a_command_ends_it_with_an_exit_status() {
    let fixture = Fixture::start(|_| {}).await;
    let done = fixture.exec("git-upload-archive x").await;
    assert_eq!(
        (done.status.code(), text(&done.stderr)),
        (Some(70), " !     slipway failed; its log says why\n".into())
    );
}

#[tokio::test]
async fn who_asks_for_a_terminal_gets_an_answer_without_one() {
    let fixture = Fixture::start(|_| {}).await;
    let done = timeout(SOON, fixture.ssh("alice", &[]).output()).await.unwrap().unwrap();
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(0), "no shell\n".into()));
    let done = timeout(SOON, fixture.ssh("alice", &["-tt"]).output()).await.unwrap().unwrap();
    assert!(text(&done.stderr).contains("PTY allocation request failed"), "{}", text(&done.stderr));
}

#[tokio::test]
async fn subsystems_and_forwarding_are_refused() {
    let fixture = Fixture::start(|_| {}).await;
    let done = timeout(SOON, fixture.ssh("alice", &["-s"]).arg("sftp").output()).await.unwrap().unwrap();
    assert_ne!(done.status.code(), Some(0));
    let forward = fixture.ssh("alice", &["-W", "127.0.0.1:22"]).output();
    let done = timeout(SOON, forward).await.unwrap().unwrap();
    assert!(text(&done.stderr).contains("forwarding failed"), "{}", text(&done.stderr));
    let reverse = ["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22"];
    let done = timeout(SOON, fixture.ssh("alice", &reverse).arg("help").output()).await.unwrap().unwrap();
    assert_eq!(done.status.code(), Some(255));
}

#[tokio::test]
async fn weak_algorithms_are_refused() {
    let fixture = Fixture::start(|_| {}).await;
    for offer in [
        "KexAlgorithms=diffie-hellman-group14-sha256",
        "KexAlgorithms=diffie-hellman-group14-sha1",
        "Ciphers=chacha20-poly1305@openssh.com",
        "Ciphers=aes256-ctr",
        "Ciphers=aes256-cbc",
        "Ciphers=3des-cbc",
        "HostKeyAlgorithms=ssh-rsa",
    ] {
        let done = timeout(SOON, fixture.ssh("alice", &["-o", offer]).arg("help").output()).await.unwrap().unwrap();
        assert_eq!(done.status.code(), Some(255), "{offer}");
    }
    let done = timeout(SOON, fixture.ssh("alice", &["-C"]).arg("help").output()).await.unwrap().unwrap();
    assert_eq!(done.status.code(), Some(7));
}

#[tokio::test]
async fn a_command_learns_at_once_that_its_client_has_gone() {
    let mut fixture = Fixture::start(|_| {}).await;
    let mut ssh = fixture.ssh("alice", &[]).arg("git-receive-pack endless").spawn().unwrap();
    assert_eq!(fixture.event().await, "began");
    ssh.start_kill().unwrap();
    let killed = Instant::now();
    assert_eq!(fixture.event().await, "gone");
    assert!(killed.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn the_end_of_input_is_not_the_end_of_the_client() {
    let mut fixture = Fixture::start(|_| {}).await;
    let ssh = fixture.ssh("alice", &[]).arg("git-receive-pack slow").spawn().unwrap();
    assert_eq!(fixture.event().await, "began");
    let done = timeout(SOON, ssh.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(0), "done\n".into()));
}

/// A client that opens what it likes; the host it talks to is ours.
struct Trusting;

impl russh::client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &russh::keys::PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

impl Fixture {
    async fn client(&self) -> russh::client::Handle<Trusting> {
        let mut client = russh::client::connect(Arc::default(), self.address, Trusting).await.unwrap();
        let key = russh::keys::load_secret_key(self.dir.path().join("alice"), None).unwrap();
        let key = russh::keys::PrivateKeyWithHashAlg::new(Arc::new(key), None);
        assert!(client.authenticate_publickey("git", key).await.unwrap().success());
        client
    }
}

/// What the channel says until it closes.
async fn answer(mut channel: russh::Channel<russh::client::Msg>) -> (String, Option<u32>) {
    let (mut said, mut status) = (String::new(), None);
    while let Some(message) = timeout(SOON, channel.wait()).await.unwrap() {
        match message {
            russh::ChannelMsg::Data { data } => said.push_str(&text(&data)),
            russh::ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    (said, status)
}

#[tokio::test]
async fn a_connection_has_only_so_many_channels_at_once() {
    let fixture = Fixture::start(|settings| settings.max_sessions = 2).await;
    let client = fixture.client().await;
    let (first, second) = (client.channel_open_session().await.unwrap(), client.channel_open_session().await.unwrap());
    assert!(client.channel_open_session().await.is_err());
    first.exec(true, "help").await.unwrap();
    assert_eq!(answer(first).await.1, Some(7));
    let third = client.channel_open_session().await.unwrap();
    for channel in [second, third] {
        channel.exec(true, "help").await.unwrap();
        assert_eq!(answer(channel).await, ("alice help -\n".into(), Some(7)));
    }
}

#[tokio::test]
async fn a_channel_runs_one_command_and_reads_nothing_before_it() {
    let fixture = Fixture::start(|_| {}).await;
    let client = fixture.client().await;
    let channel = client.channel_open_session().await.unwrap();
    for _ in 0..500 {
        channel.data_bytes(vec![b'x'; 1000]).await.unwrap();
    }
    channel.exec(true, "upload-key x").await.unwrap();
    channel.exec(true, "help").await.unwrap();
    channel.data_bytes(b"mine".to_vec()).await.unwrap();
    channel.eof().await.unwrap();
    assert_eq!(answer(channel).await, ("mine".into(), Some(0)));
}

#[tokio::test]
async fn a_client_may_try_only_so_many_keys() {
    let fixture = Fixture::start(|settings| settings.max_auth_tries = 2).await;
    let others = ["one", "two"].map(|name| {
        new_key(fixture.dir.path(), name, Algorithm::Ed25519);
        fixture.dir.path().join(name)
    });
    let with = |wrong: &[std::path::PathBuf]| {
        let mut ssh = fixture.ssh(wrong[0].file_name().unwrap().to_str().unwrap(), &[]);
        // Options may stand behind the host as well.
        for key in wrong[1..].iter().chain([&fixture.dir.path().join("alice")]) {
            ssh.arg("-i").arg(key);
        }
        ssh.arg("help");
        ssh
    };
    assert_eq!(timeout(SOON, with(&others[..1]).output()).await.unwrap().unwrap().status.code(), Some(7));
    let done = timeout(SOON, with(&others).output()).await.unwrap().unwrap();
    assert_eq!(done.status.code(), Some(255), "{}", text(&done.stderr));
}

#[tokio::test]
async fn stalled_connections_do_not_keep_anyone_out() {
    let fixture = Fixture::start(|settings| settings.max_startups = 4).await;
    let mut stalled = Vec::new();
    for _ in 0..40 {
        stalled.push(TcpStream::connect(fixture.address).await.unwrap());
    }
    assert_eq!(fixture.exec("help").await.status.code(), Some(7));
    let mut oldest = stalled.swap_remove(0);
    assert!(timeout(SOON, oldest.read_to_end(&mut Vec::new())).await.is_ok());
}

#[tokio::test]
async fn who_does_not_log_in_is_disconnected() {
    let fixture = Fixture::start(|settings| settings.login_grace = Duration::from_millis(300)).await;
    for greeting in ["", "SSH-2.0-x\r\n", "\0\0\0\0"] {
        let mut silent = TcpStream::connect(fixture.address).await.unwrap();
        silent.write_all(greeting.as_bytes()).await.unwrap();
        assert!(timeout(SOON, silent.read_to_end(&mut Vec::new())).await.is_ok(), "{greeting:?}");
    }
    fixture.tasks.close();
    timeout(SOON, fixture.tasks.wait()).await.unwrap();
}

#[tokio::test]
async fn a_login_in_time_is_not_cut() {
    let mut fixture = Fixture::start(|settings| settings.login_grace = Duration::from_secs(2)).await;
    let mut ssh = fixture.ssh("alice", &[]).arg("git-receive-pack slow").stdin(Stdio::piped()).spawn().unwrap();
    assert_eq!(fixture.event().await, "began");
    let mut stdin = ssh.stdin.take().unwrap();
    assert!(timeout(Duration::from_secs(3), ssh.wait()).await.is_err());
    stdin.write_all(b"x").await.unwrap();
    assert!(timeout(SOON, ssh.wait()).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn a_shutdown_closes_idle_connections_and_lets_commands_finish() {
    let mut fixture = Fixture::start(|_| {}).await;
    let mut idle = fixture.ssh("alice", &["-N"]).spawn().unwrap();
    let mut stalled = TcpStream::connect(fixture.address).await.unwrap();
    let mut busy = fixture.ssh("alice", &[]).arg("git-receive-pack slow").stdin(Stdio::piped()).spawn().unwrap();
    assert_eq!(fixture.event().await, "began");
    fixture.shutdown.cancel();
    fixture.tasks.close();
    timeout(SOON, stalled.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    timeout(SOON, idle.wait()).await.unwrap().unwrap();
    assert!(busy.try_wait().unwrap().is_none());
    busy.stdin.take().unwrap().write_all(b"x").await.unwrap();
    let done = timeout(SOON, busy.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(0), "done\n".into()));
    timeout(SOON, fixture.tasks.wait()).await.unwrap();
    assert!(TcpStream::connect(fixture.address).await.is_err());
}
