//! What slipway does not let anyone use up.

use std::io::Read;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::gateway::ADMIN;
use crate::support::{App, Gateway, eventually, try_run};

/// A figure of `/proc/PID/status` in KiB.
fn memory(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

fn descriptors(pid: u32) -> usize {
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
fn stalled_connections_do_not_keep_a_push_out() {
    let gateway = Gateway::with(&[("SLIPWAY_LOGIN_GRACE", "20s"), ("SLIPWAY_MAX_STARTUPS", "50")]);
    let app = App::web("one");
    let before = descriptors(gateway.pid());
    let stalled: Vec<TcpStream> = (0..500).map(|_| TcpStream::connect(gateway.ssh_address()).unwrap()).collect();
    app.push(&gateway).ok();
    drop(stalled);
    eventually("the descriptors come back", || (descriptors(gateway.pid()) < before + 20).then_some(()));
}

#[test]
fn a_large_context_is_not_held_in_memory() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.noise(500);
    app.push(&gateway).ok();
    let peak = memory(gateway.pid(), "VmHWM:");
    assert!(peak < 100 << 10, "the gateway used {peak} KiB");
}

#[test]
fn an_archive_is_made_with_bounded_memory() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
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
fn weak_algorithms_are_refused() {
    let gateway = Gateway::start();
    let offers = [
        "KexAlgorithms=diffie-hellman-group14-sha1",
        "KexAlgorithms=diffie-hellman-group1-sha1",
        "Ciphers=aes128-cbc",
        "Ciphers=3des-cbc",
        "MACs=hmac-sha1",
    ];
    for offer in offers {
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-F",
            "/dev/null",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ]);
        // a MAC is negotiated only where the cipher brings none
        if offer.starts_with("MACs") {
            ssh.args(["-o", "Ciphers=aes256-ctr"]);
        }
        ssh.args(["-o", offer, "-i"]).arg(gateway.path(ADMIN)).args(["-p", &gateway.ssh_address().port().to_string()]);
        try_run(ssh.args(["git@127.0.0.1", "help"])).fails().says("Unable to negotiate");
    }
}

#[test]
fn a_password_is_never_asked_for() {
    let gateway = Gateway::start();
    let mut ssh = Command::new("ssh");
    let known_hosts = format!("UserKnownHostsFile={}", gateway.known_hosts().display());
    ssh.args([
        "-F",
        "/dev/null",
        "-v",
        "-o",
        "PubkeyAuthentication=no",
        "-o",
        "NumberOfPasswordPrompts=1",
        "-o",
        &known_hosts,
    ]);
    ssh.args(["-p", &gateway.ssh_address().port().to_string(), "git@127.0.0.1", "help"]);
    try_run(&mut ssh).fails().says("Permission denied (publickey)");
}

#[test]
fn only_so_many_commands_run_in_one_connection() {
    let gateway = Gateway::with(&[("SLIPWAY_MAX_SESSIONS", "1")]);
    let socket = gateway.path("shared-connection");
    let ssh = |master: &str| {
        let mut ssh = gateway.ssh_with(ADMIN, &["-o", &format!("ControlPath={}", socket.display()), "-o", master]);
        ssh.stdin(Stdio::piped()).stderr(Stdio::null());
        ssh
    };
    // an upload that waits for its input: ssh shares the connection only after it has asked for this
    let mut waiting = ssh("ControlMaster=yes").args(["upload-key", "bob"]).spawn().unwrap();
    eventually("the connection is shared", || socket.exists().then_some(()));
    // OpenSSH says why, and falls back to a connection of its own
    try_run(ssh("ControlMaster=no").arg("help")).ok().says("refused");
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}
