//! Keys and rights.

use std::process::Command;

use crate::support::gateway::ADMIN;
use crate::support::process::try_run_with;
use crate::support::wait::{SECOND, within};
use crate::support::{App, Gateway, run, try_run, world};

fn public_key(gateway: &Gateway, name: &str) -> String {
    std::fs::read_to_string(gateway.new_key(name).with_extension("pub")).unwrap()
}

fn may_log_in(gateway: &Gateway, name: &str) -> bool {
    try_run(gateway.ssh(name).arg("help")).code == Some(0)
}

#[test]
fn an_uploaded_key_may_push_at_once_and_survives_in_a_configmap() {
    let mut gateway = Gateway::start();
    let key = public_key(&gateway, "bob");
    try_run_with(gateway.ssh(ADMIN).args(["upload-key", "bob"]), &key).ok().says("bob");
    let app = App::web("bob's");
    app.push_as(&gateway, "bob", &["main"]).ok();
    let maps = world::object(&["configmap", "-n", &gateway.namespace, "-l", "slipway.dev/keys=users"]).unwrap();
    assert!(maps.to_string().contains(key.split(' ').nth(1).unwrap()));

    gateway.kill();
    std::fs::remove_dir_all(gateway.path("data")).unwrap();
    gateway.launch();
    assert!(may_log_in(&gateway, "bob"));
}

#[test]
fn upload_key_is_known_under_its_old_name_too() {
    let gateway = Gateway::start();
    let key = public_key(&gateway, "bob");
    try_run_with(gateway.ssh(ADMIN).arg("gitreceive upload-key bob"), &key).ok();
    assert!(may_log_in(&gateway, "bob"));
}

#[test]
fn keys_can_be_uploaded_from_inside_the_pod() {
    let gateway = Gateway::start();
    let key = public_key(&gateway, "bob");
    let mut upload = Command::new(env!("CARGO_BIN_EXE_slipway"));
    upload.args(["upload-key", "bob"]).env("SLIPWAY_NAMESPACE", &gateway.namespace);
    try_run_with(&mut upload, &key).ok();
    within(SECOND, "the key counts", || may_log_in(&gateway, "bob").then_some(()), String::new);
}

#[test]
fn users_upload_for_themselves_and_admins_for_anyone() {
    let gateway = Gateway::start();
    gateway.new_user("bob");
    let second = public_key(&gateway, "bob2");
    try_run_with(gateway.ssh("bob").args(["upload-key", "bob"]), &second).ok();
    assert!(may_log_in(&gateway, "bob2"));
    let third = public_key(&gateway, "eve");
    try_run_with(gateway.ssh("bob").args(["upload-key", "eve"]), &third).fails();
    try_run_with(gateway.ssh("bob").args(["upload-key", ADMIN]), &third).fails();
    try_run_with(gateway.ssh("bob").args(["upload-key", "--admin", "bob"]), &third).fails();
    assert!(!may_log_in(&gateway, "eve"));
    // somebody else's key cannot be claimed
    let admins = std::fs::read_to_string(gateway.path(&format!("{ADMIN}.pub"))).unwrap();
    try_run_with(gateway.ssh("bob").args(["upload-key", "bob"]), &admins).fails();
}

#[test]
fn what_is_no_key_is_refused_with_its_line() {
    let gateway = Gateway::start();
    for (text, reason) in [
        ("", "no key"),
        ("ssh-ed25519 not-base64 x", "line 1"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "private"),
        ("command=\"sh\" ssh-ed25519 AAAA", "line 1"),
    ] {
        let output = try_run_with(gateway.ssh(ADMIN).args(["upload-key", "bob"]), text).fails();
        assert!(output.stderr.to_lowercase().contains(reason), "{text:?}: {}", output.stderr);
    }
    let key = public_key(&gateway, "bob");
    try_run_with(gateway.ssh(ADMIN).args(["upload-key", "'../etc'"]), &key).fails().says("user name");
}

#[test]
fn only_the_owner_and_admins_may_push_and_read() {
    let gateway = Gateway::start();
    gateway.new_user("bob");
    gateway.new_user("eve");
    let app = App::web("bob's");
    app.push_as(&gateway, "bob", &["main"]).ok();
    app.write("index.html", "eve's");
    app.commit("second");
    app.push_as(&gateway, "eve", &["main"]).fails().never_says("Receiving");
    try_run(gateway.git("eve", app.path()).args(["ls-remote", &gateway.url(&app.name)])).fails();
    app.push_as(&gateway, ADMIN, &["main"]).ok();
    // a name that begins as the app's does is another app
    let sibling = format!("{}-x", app.name);
    try_run(gateway.git("bob", app.path()).args(["ls-remote", &gateway.url(&sibling)])).fails();
}

#[test]
fn an_app_ends_with_its_namespace_and_its_name_is_free_again() {
    let gateway = Gateway::start();
    gateway.new_user("bob");
    let app = App::web("one");
    app.git(&["branch", "secret"]);
    app.push_as(&gateway, ADMIN, &["main", "secret"]).ok().says("Released v1");
    world::kubectl(&["delete", "namespace", &app.name]);

    app.push_as(&gateway, "bob", &["main"]).ok().says("Released v1");
    app.shows("one");
    let refs = run(gateway.git("bob", app.path()).args(["ls-remote", &gateway.url(&app.name)])).stdout;
    assert!(!refs.contains("secret"), "{refs}");
    let former = std::fs::read_dir(gateway.path("data/former")).unwrap().next().unwrap().unwrap();
    assert!(former.path().join("refs/heads/secret").exists(), "the former repository is lost");
}

#[test]
fn app_creation_can_be_left_to_admins() {
    let gateway = Gateway::with(&[("SLIPWAY_APP_CREATION", "admins")]);
    gateway.new_user("bob");
    let app = App::web("x");
    app.push_as(&gateway, "bob", &["main"]).fails().says("admin");
    assert_eq!(world::object(&["namespace", &app.name]), None);
    app.push(&gateway).ok();
}

#[test]
fn a_key_added_or_removed_with_kubectl_counts_within_a_second() {
    let gateway = Gateway::start();
    let key = public_key(&gateway, "carol");
    assert!(!may_log_in(&gateway, "carol"));
    world::apply(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: by-hand, namespace: {}, labels: {{slipway.dev/keys: users}}}}\n\
         data: {{carol: \"{}\"}}\n",
        gateway.namespace,
        key.trim()
    ));
    within(SECOND, "carol may log in", || may_log_in(&gateway, "carol").then_some(()), String::new);
    world::kubectl(&["delete", "configmap", "by-hand", "-n", &gateway.namespace]);
    within(SECOND, "carol may not log in", || (!may_log_in(&gateway, "carol")).then_some(()), String::new);
}

#[test]
fn a_hundred_uploads_at_once_are_all_there() {
    let gateway = Gateway::start();
    let names: Vec<String> = (0..100).map(|n| format!("user{n}")).collect();
    let keys: Vec<String> = names.iter().map(|name| public_key(&gateway, name)).collect();
    std::thread::scope(|scope| {
        for (name, key) in names.iter().zip(&keys) {
            let mut ssh = gateway.ssh(ADMIN);
            ssh.args(["upload-key", name]);
            scope.spawn(move || try_run_with(&mut ssh, key).ok());
        }
    });
    let maps = world::object(&["configmap", "-n", &gateway.namespace, "-l", "slipway.dev/keys=users"]).unwrap();
    let text = maps.to_string();
    for (name, key) in names.iter().zip(&keys) {
        assert!(text.contains(key.split(' ').nth(1).unwrap()), "{name}'s key is missing");
    }
    assert!(may_log_in(&gateway, "user99"));
}

#[test]
fn the_host_key_outlives_the_data_directory() {
    let mut gateway = Gateway::start();
    let before = std::fs::read_to_string(gateway.known_hosts()).unwrap();
    gateway.kill();
    std::fs::remove_dir_all(gateway.path("data")).unwrap();
    gateway.launch();
    assert_eq!(std::fs::read_to_string(gateway.known_hosts()).unwrap(), before);
    // strict checking against the line from before
    run(gateway.ssh(ADMIN).arg("help"));
    let secret = world::object(&["secret", "slipway-host-key", "-n", &gateway.namespace]);
    assert!(secret.is_some());
}

#[test]
fn identity_comes_from_the_key_that_signed() {
    // the admin's public key is offered first, without its private half: OpenSSH offers what a .pub
    // file holds and then signs with the key it has
    let gateway = Gateway::start();
    gateway.new_user("bob");
    let stolen = gateway.path("stolen.pub");
    std::fs::copy(gateway.path(&format!("{ADMIN}.pub")), &stolen).unwrap();
    let key = public_key(&gateway, "mallory");
    let mut ssh = Command::new("ssh");
    let known_hosts = format!("UserKnownHostsFile={}", gateway.known_hosts().display());
    ssh.args(["-F", "/dev/null", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", &known_hosts]);
    ssh.arg("-i")
        .arg(&stolen)
        .arg("-i")
        .arg(gateway.path("bob"))
        .args(["-p", &gateway.ssh_address().port().to_string()]);
    ssh.args(["git@127.0.0.1", "upload-key", "mallory"]);
    try_run_with(&mut ssh, &key).fails();
}
