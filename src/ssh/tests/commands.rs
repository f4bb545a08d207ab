//! Authentication, and running commands.

use std::process::Stdio;
use std::time::Duration;

use russh::keys::Algorithm;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::*;

#[tokio::test]
async fn a_known_key_runs_a_command_and_gets_its_output_and_exit_status() {
    let fixture = Fixture::start(|_| {}).await;
    let mut ssh = fixture.ssh("alice", &["-o", "SetEnv=GIT_PROTOCOL=version=2", "-o", "SetEnv=GIT_DIR=/etc"]);
    let done = timeout(TEST_TIMEOUT, ssh.arg("git-upload-pack '/x'").output()).await.unwrap().unwrap();
    assert_eq!(text(&done.stdout), "alice upload-pack version=2\n");
    assert_eq!(text(&done.stderr), "to stderr\n");
    assert_eq!(done.status.code(), Some(7));
}

#[tokio::test]
async fn the_user_name_is_ignored() {
    let fixture = Fixture::start(|_| {}).await;
    let done =
        timeout(TEST_TIMEOUT, fixture.ssh("alice", &["-l", "root"]).arg("help").output()).await.unwrap().unwrap();
    assert_eq!(text(&done.stdout), "alice help -\n");
}

#[tokio::test]
async fn an_unknown_key_is_refused_and_no_other_method_is_offered() {
    let fixture = Fixture::start(|_| {}).await;
    new_key(fixture.dir.path(), "mallory", Algorithm::Ed25519);
    for user in ["alice", "unknown"] {
        let mut ssh = fixture.ssh("mallory", &["-l", user]);
        let done = timeout(TEST_TIMEOUT, ssh.arg("help").output()).await.unwrap().unwrap();
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
    let done = timeout(TEST_TIMEOUT, ssh.wait_with_output()).await.unwrap().unwrap();
    assert!(done.status.success() && done.stdout == sent);
}

#[tokio::test]
async fn an_invalid_command_prints_an_error_and_exits_with_2() {
    let fixture = Fixture::start(|_| {}).await;
    let done = fixture.exec("git-receive-pack 'x'; id").await;
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(2), String::new()));
    assert!(text(&done.stderr).starts_with(" !     "), "{}", text(&done.stderr));
    let done = fixture.exec(&"a".repeat(100_000)).await;
    assert_eq!(text(&done.stderr), " !     the command is longer than 4096 bytes\n");
}

#[tokio::test]
async fn a_command_that_panics_ends_with_an_exit_status() {
    let fixture = Fixture::start(|_| {}).await;
    let done = fixture.exec("git-upload-archive x").await;
    assert_eq!(
        (done.status.code(), text(&done.stderr)),
        (Some(70), " !     slipway failed because of a bug: see its log\n".into())
    );
}

#[tokio::test]
async fn a_client_that_requests_a_terminal_gets_its_output_with_carriage_returns() {
    let fixture = Fixture::start(|_| {}).await;
    let done = timeout(TEST_TIMEOUT, fixture.ssh("alice", &[]).output()).await.unwrap().unwrap();
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(0), "no shell\n".into()));
    let done = timeout(TEST_TIMEOUT, fixture.ssh("alice", &["-tt"]).output()).await.unwrap().unwrap();
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(0), "no shell\r\n".into()));
    let done = timeout(TEST_TIMEOUT, fixture.ssh("alice", &["-tt"]).arg("git-upload-pack x").output()).await.unwrap();
    assert_eq!(text(&done.unwrap().stdout), "alice upload-pack -\n");
}

#[tokio::test]
async fn subsystems_and_forwarding_are_refused() {
    let fixture = Fixture::start(|_| {}).await;
    let done = timeout(TEST_TIMEOUT, fixture.ssh("alice", &["-s"]).arg("sftp").output()).await.unwrap().unwrap();
    assert_ne!(done.status.code(), Some(0));
    let forward = fixture.ssh("alice", &["-W", "127.0.0.1:22"]).output();
    let done = timeout(TEST_TIMEOUT, forward).await.unwrap().unwrap();
    assert!(text(&done.stderr).contains("forwarding failed"), "{}", text(&done.stderr));
    let reverse = ["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22"];
    let done = timeout(TEST_TIMEOUT, fixture.ssh("alice", &reverse).arg("help").output()).await.unwrap().unwrap();
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
        let done =
            timeout(TEST_TIMEOUT, fixture.ssh("alice", &["-o", offer]).arg("help").output()).await.unwrap().unwrap();
        assert_eq!(done.status.code(), Some(255), "{offer}");
    }
    let done = timeout(TEST_TIMEOUT, fixture.ssh("alice", &["-C"]).arg("help").output()).await.unwrap().unwrap();
    assert_eq!(done.status.code(), Some(7));
}

#[tokio::test]
async fn a_command_is_notified_at_once_when_its_client_disconnects() {
    let mut fixture = Fixture::start(|_| {}).await;
    let mut ssh = fixture.ssh("alice", &[]).arg("git-receive-pack endless").spawn().unwrap();
    assert_eq!(fixture.event().await, "started");
    ssh.start_kill().unwrap();
    let killed = Instant::now();
    assert_eq!(fixture.event().await, "disconnected");
    assert!(killed.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_client_that_closes_its_input_stays_connected() {
    let mut fixture = Fixture::start(|_| {}).await;
    let ssh = fixture.ssh("alice", &[]).arg("git-receive-pack slow").spawn().unwrap();
    assert_eq!(fixture.event().await, "started");
    let done = timeout(TEST_TIMEOUT, ssh.wait_with_output()).await.unwrap().unwrap();
    assert_eq!((done.status.code(), text(&done.stdout)), (Some(0), "done\n".into()));
}
