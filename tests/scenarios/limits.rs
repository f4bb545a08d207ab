//! Limits on connections, sessions and memory.

use std::io::Read;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{ADMIN, App, Gateway, eventually, try_run, wait_until};

/// A field of `/proc/PID/status` in KiB.
fn memory_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

fn open_descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[test]
fn a_client_that_does_not_log_in_is_disconnected() {
    let gateway = Gateway::with(&[("SLIPWAY_LOGIN_GRACE", "1s")]);
    let mut silent = TcpStream::connect(gateway.ssh_address()).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let began = Instant::now();
    let mut bytes = Vec::new();
    let _ = silent.read_to_end(&mut bytes);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn stalled_connections_do_not_block_a_push() {
    let gateway = Gateway::with(&[("SLIPWAY_LOGIN_GRACE", "20s"), ("SLIPWAY_MAX_STARTUPS", "50")]);
    let app = App::web("one");
    let before = open_descriptors(gateway.pid());
    let stalled: Vec<TcpStream> = (0..500).map(|_| TcpStream::connect(gateway.ssh_address()).unwrap()).collect();
    app.push(&gateway).ok();
    drop(stalled);
    wait_until("the descriptors are closed", || open_descriptors(gateway.pid()) < before + 20);
}

#[test]
fn a_large_build_context_is_not_held_in_memory() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.commit_random_file(500);
    app.push(&gateway).ok();
    let peak = memory_kib(gateway.pid(), "VmHWM:");
    assert!(peak < 100 << 10, "the gateway used {peak} KiB");
}

#[test]
fn git_upload_archive_runs_with_a_memory_limit() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let mut ssh = gateway.ssh(ADMIN);
    ssh.arg(format!("git-upload-archive '{}'", app.name)).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut ssh = ssh.spawn().unwrap();
    let pid = eventually("git waits for the request", || {
        let found = try_run(Command::new("pgrep").args(["-f", &format!("^git upload-archive .*/{}.git$", app.name)]));
        found.stdout.lines().next()?.parse::<u32>().ok()
    });
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max address space")).unwrap();
    assert_eq!(line.split_whitespace().nth(3), Some("2147483648"), "{line}");
    ssh.kill().unwrap();
    ssh.wait().unwrap();
}

#[test]
fn the_sessions_of_a_connection_are_limited() {
    let gateway = Gateway::with(&[("SLIPWAY_MAX_SESSIONS", "1")]);
    let socket = gateway.path("shared-connection");
    let ssh = |master: &str| {
        let control_path = format!("ControlPath={}", socket.display());
        let mut ssh = gateway.ssh_with_options(ADMIN, &["-o", &control_path, "-o", master]);
        ssh.stdin(Stdio::piped()).stderr(Stdio::null());
        ssh
    };
    // The upload waits for its input. OpenSSH shares the connection once it has opened this session.
    let mut waiting = ssh("ControlMaster=yes").args(["upload-key", "bob"]).spawn().unwrap();
    wait_until("the connection is shared", || socket.exists());
    // OpenSSH prints the refusal, and uses a connection of its own
    try_run(ssh("ControlMaster=no").arg("help")).ok().prints("refused");
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}
