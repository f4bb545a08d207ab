//! Limits for clients, and shutdown.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::Algorithm;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

/// A client whose requests are not limited to those of OpenSSH.
struct AcceptAnyHostKey;

impl russh::client::Handler for AcceptAnyHostKey {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &russh::keys::PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

impl Fixture {
    async fn client(&self) -> russh::client::Handle<AcceptAnyHostKey> {
        let mut client = russh::client::connect(Arc::default(), self.address, AcceptAnyHostKey).await.unwrap();
        let key = russh::keys::load_secret_key(self.dir.path().join("alice"), None).unwrap();
        let key = russh::keys::PrivateKeyWithHashAlg::new(Arc::new(key), None);
        assert!(client.authenticate_publickey("git", key).await.unwrap().success());
        client
    }
}

/// The standard output and exit status of the channel.
async fn read_to_close(mut channel: russh::Channel<russh::client::Msg>) -> (String, Option<u32>) {
    let (mut stdout, mut status) = (String::new(), None);
    while let Some(message) = timeout(TEST_TIMEOUT, channel.wait()).await.unwrap() {
        match message {
            russh::ChannelMsg::Data { data } => stdout.push_str(&text(&data)),
            russh::ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    (stdout, status)
}

#[tokio::test]
async fn the_channels_of_a_connection_are_limited() {
    let fixture = Fixture::start(|settings| settings.max_sessions = 2).await;
    let client = fixture.client().await;
    let (first, second) = (client.channel_open_session().await.unwrap(), client.channel_open_session().await.unwrap());
    assert!(client.channel_open_session().await.is_err());
    first.exec(true, "help").await.unwrap();
    assert_eq!(read_to_close(first).await.1, Some(7));
    let third = client.channel_open_session().await.unwrap();
    for channel in [second, third] {
        channel.exec(true, "help").await.unwrap();
        assert_eq!(read_to_close(channel).await, ("alice help -\n".into(), Some(7)));
    }
}

#[tokio::test]
async fn a_channel_runs_one_command_and_discards_data_before_it() {
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
    assert_eq!(read_to_close(channel).await, ("mine".into(), Some(0)));
}

#[tokio::test]
async fn the_keys_that_a_client_may_try_are_limited() {
    let fixture = Fixture::start(|settings| settings.max_auth_tries = 2).await;
    let others = ["one", "two"].map(|name| {
        new_key(fixture.dir.path(), name, Algorithm::Ed25519);
        fixture.dir.path().join(name)
    });
    let with = |wrong: &[std::path::PathBuf]| {
        let mut ssh = fixture.ssh(wrong[0].file_name().unwrap().to_str().unwrap(), &[]);
        // ssh accepts options after the host as well.
        for key in wrong[1..].iter().chain([&fixture.dir.path().join("alice")]) {
            ssh.arg("-i").arg(key);
        }
        ssh.arg("help");
        ssh
    };
    assert_eq!(timeout(TEST_TIMEOUT, with(&others[..1]).output()).await.unwrap().unwrap().status.code(), Some(7));
    let done = timeout(TEST_TIMEOUT, with(&others).output()).await.unwrap().unwrap();
    assert_eq!(done.status.code(), Some(255), "{}", text(&done.stderr));
}

#[tokio::test]
async fn stalled_connections_do_not_lock_others_out() {
    let fixture = Fixture::start(|settings| settings.max_startups = 4).await;
    let mut stalled = Vec::new();
    for _ in 0..40 {
        stalled.push(TcpStream::connect(fixture.address).await.unwrap());
    }
    assert_eq!(fixture.exec("help").await.status.code(), Some(7));
    let mut oldest = stalled.swap_remove(0);
    assert!(timeout(TEST_TIMEOUT, oldest.read_to_end(&mut Vec::new())).await.is_ok());
}

#[tokio::test]
async fn a_client_that_does_not_authenticate_is_disconnected() {
    let fixture = Fixture::start(|settings| settings.login_grace = Duration::from_millis(300)).await;
    for greeting in ["", "SSH-2.0-x\r\n", "\0\0\0\0"] {
        let mut silent = TcpStream::connect(fixture.address).await.unwrap();
        silent.write_all(greeting.as_bytes()).await.unwrap();
        assert!(timeout(TEST_TIMEOUT, silent.read_to_end(&mut Vec::new())).await.is_ok(), "{greeting:?}");
    }
    fixture.tasks.close();
    timeout(TEST_TIMEOUT, fixture.tasks.wait()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_authenticates_in_time_stays_connected() {
    let mut fixture = Fixture::start(|settings| settings.login_grace = Duration::from_secs(2)).await;
    let mut ssh = fixture.ssh("alice", &[]).arg("git-receive-pack slow").stdin(Stdio::piped()).spawn().unwrap();
    assert_eq!(fixture.event().await, "started");
    let mut stdin = ssh.stdin.take().unwrap();
    assert!(timeout(Duration::from_secs(3), ssh.wait()).await.is_err());
    stdin.write_all(b"x").await.unwrap();
    assert!(timeout(TEST_TIMEOUT, ssh.wait()).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn a_shutdown_closes_idle_connections_and_lets_commands_finish() {
    let mut fixture = Fixture::start(|_| {}).await;
    let mut idle = fixture.ssh("alice", &["-N"]).spawn().unwrap();
    let mut stalled = TcpStream::connect(fixture.address).await.unwrap();
    let mut busy = fixture.ssh("alice", &[]).arg("git-receive-pack slow").stdin(Stdio::piped()).spawn().unwrap();
    assert_eq!(fixture.event().await, "started");
    fixture.shutdown.cancel();
    fixture.tasks.close();
    timeout(TEST_TIMEOUT, stalled.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    timeout(TEST_TIMEOUT, idle.wait()).await.unwrap().unwrap();
    assert!(busy.try_wait().unwrap().is_none());
    busy.stdin.take().unwrap().write_all(b"x").await.unwrap();
    let done = timeout(TEST_TIMEOUT, busy.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(0), "done\n".into()));
    timeout(TEST_TIMEOUT, fixture.tasks.wait()).await.unwrap();
    assert!(TcpStream::connect(fixture.address).await.is_err());
}
