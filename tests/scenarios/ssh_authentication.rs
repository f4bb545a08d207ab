//! SSH algorithms and authentication.

use std::process::Command;

use crate::support::client::shell_line;
use crate::support::process::try_run_with_input;
use crate::support::{ADMIN, App, Gateway, try_run};

#[test]
fn an_unknown_key_is_refused_at_authentication() {
    let gateway = Gateway::start();
    gateway.generate_key("mallory");
    let app = App::web("x");
    app.push_as(&gateway, "mallory", &["main"]).fails().prints("Permission denied (publickey)");
    assert!(!gateway.repository_path(&app.name).exists());
}

#[test]
fn the_identity_comes_from_the_key_that_signed() {
    // OpenSSH offers the admin's public key first, for which it has no private key, and signs with bob's key.
    let gateway = Gateway::start();
    gateway.register_user("bob");
    let admins_key = gateway.path("stolen.pub");
    std::fs::copy(gateway.path(&format!("{ADMIN}.pub")), &admins_key).unwrap();
    let key = gateway.generate_public_key("mallory");
    let mut ssh = Command::new("ssh");
    let known_hosts = format!("UserKnownHostsFile={}", gateway.known_hosts().display());
    ssh.args(["-F", "/dev/null", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", &known_hosts]);
    ssh.arg("-i").arg(&admins_key).arg("-i").arg(gateway.path("bob")).args(gateway.ssh_destination());
    try_run_with_input(ssh.args(["upload-key", "mallory"]), &key).fails();
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
        let mut ssh = gateway.ssh_with_options(ADMIN, &["-o", offer]);
        // AES-GCM has a MAC of its own, so that none is negotiated with it
        if offer.starts_with("MACs") {
            ssh = gateway.ssh_with_options(ADMIN, &["-o", "Ciphers=aes256-ctr", "-o", offer]);
        }
        try_run(ssh.arg("help")).fails().prints("Unable to negotiate");
    }
}

#[test]
fn passwords_are_never_asked_for() {
    let gateway = Gateway::start();
    let mut ssh = Command::new("ssh");
    let known_hosts = format!("UserKnownHostsFile={}", gateway.known_hosts().display());
    ssh.args(["-F", "/dev/null", "-v"]);
    for option in ["PubkeyAuthentication=no", "NumberOfPasswordPrompts=1", &known_hosts] {
        ssh.args(["-o", option]);
    }
    try_run(ssh.args(gateway.ssh_destination()).arg("help")).fails().prints("Permission denied (publickey)");
}

#[test]
fn a_client_in_fips_mode_can_connect() {
    let gateway = Gateway::start();
    for curve in ["ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521"] {
        let exchange = format!("KexAlgorithms={curve}");
        let options = ["-o", &exchange, "-o", "Ciphers=aes256-gcm@openssh.com,aes128-gcm@openssh.com"];
        try_run(gateway.ssh_with_options(ADMIN, &options).arg("help")).ok();
    }
}

/// The options for keys that nobody has registered.
fn unknown_keys(gateway: &Gateway, count: usize) -> Vec<String> {
    let key = |n| ["-i".to_owned(), gateway.generate_key(&format!("unknown-{n}")).display().to_string()];
    (0..count).flat_map(key).collect()
}

/// `ssh` that offers these keys before the admin's.
fn ssh_with_keys_before(gateway: &Gateway, keys: &[String]) -> Command {
    let mut ssh = Command::new("ssh");
    let known_hosts = format!("UserKnownHostsFile={}", gateway.known_hosts().display());
    ssh.args(["-F", "/dev/null", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", &known_hosts]);
    ssh.args(keys).arg("-i").arg(gateway.path(ADMIN)).args(gateway.ssh_destination()).arg("help");
    ssh
}

#[test]
fn an_agent_with_many_keys_can_log_in() {
    let gateway = Gateway::start();
    try_run(&mut ssh_with_keys_before(&gateway, &unknown_keys(&gateway, 15))).ok();
}

#[test]
fn a_client_that_offers_too_many_keys_is_told_to_choose_one() {
    let gateway = Gateway::with(&[("SLIPWAY_MAX_AUTH_TRIES", "3")]);
    let keys = unknown_keys(&gateway, 8);
    try_run(&mut ssh_with_keys_before(&gateway, &keys))
        .fails()
        .prints("none of the first 3 keys")
        .prints("IdentitiesOnly=yes");
    try_run(&mut ssh_with_keys_before(&gateway, &keys[..4])).ok();
}

#[test]
fn a_command_runs_although_the_client_asks_for_a_terminal() {
    let gateway = Gateway::start();
    // a single -t asks for a terminal only if the client has one, as `script` gives it
    try_run(gateway.ssh_with_options(ADMIN, &["-tt"]).arg("apps")).ok();
    let line = shell_line(gateway.ssh_with_options(ADMIN, &["-t"]).arg("help"));
    try_run(Command::new("script").args(["-qec", &line, "/dev/null"])).ok().prints("releases:show");
}
