//! SSH algorithms and authentication.

use std::process::Command;

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
