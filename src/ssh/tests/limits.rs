//! How much of it one client may have, and what a shutdown ends.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::Algorithm;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

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
