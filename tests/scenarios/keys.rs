//! Uploading SSH keys, and keys in ConfigMaps.

use std::process::Command;

use serde_json::Value;

use crate::support::client::shell_line;
use crate::support::process::{Output, try_run_with_input};
use crate::support::wait::{SECOND, within};
use crate::support::{ADMIN, App, Gateway, kubectl, try_run};

/// Runs `upload-key` with further arguments as a user.
fn upload_key(gateway: &Gateway, user: &str, arguments: &[&str], key: &str) -> Output {
    try_run_with_input(gateway.ssh(user).arg("upload-key").args(arguments), key)
}

/// The ConfigMaps with the keys of users who are not admins.
fn user_key_maps(gateway: &Gateway) -> Value {
    kubectl::get(&["configmap", "-n", &gateway.namespace, "-l", "slipway.dev/keys=users"]).unwrap()
}

/// The base64 part of a public key's line.
fn key_data(line: &str) -> &str {
    line.split(' ').nth(1).unwrap()
}

#[test]
fn an_uploaded_key_can_push_immediately_and_is_kept_in_a_config_map() {
    let mut gateway = Gateway::start();
    let key = gateway.generate_public_key("bob");
    upload_key(&gateway, ADMIN, &["bob"], &key).ok().prints("bob");
    let app = App::web("bob's");
    app.push_as(&gateway, "bob", &["main"]).ok();
    assert!(user_key_maps(&gateway).to_string().contains(key_data(&key)));

    gateway.kill();
    std::fs::remove_dir_all(gateway.path("data")).unwrap();
    gateway.launch();
    assert!(gateway.can_log_in("bob"));
}

#[test]
fn the_old_command_for_uploading_keys_still_works() {
    let gateway = Gateway::start();
    let key = gateway.generate_public_key("bob");
    try_run_with_input(gateway.ssh(ADMIN).arg("gitreceive upload-key bob"), &key).ok();
    assert!(gateway.can_log_in("bob"));
}

#[test]
fn a_key_can_be_uploaded_by_a_command_in_the_pod() {
    let gateway = Gateway::start();
    let key = gateway.generate_public_key("bob");
    let mut upload = Command::new(env!("CARGO_BIN_EXE_slipway"));
    upload.args(["upload-key", "bob"]).env("SLIPWAY_NAMESPACE", &gateway.namespace);
    try_run_with_input(&mut upload, &key).ok();
    within(SECOND, "bob can log in", || gateway.can_log_in("bob").then_some(()), String::new);
}

#[test]
fn users_upload_keys_for_themselves_and_admins_for_all_users() {
    let gateway = Gateway::start();
    gateway.register_user("bob");
    let second = gateway.generate_public_key("bob2");
    upload_key(&gateway, "bob", &["bob"], &second).ok();
    assert!(gateway.can_log_in("bob2"));
    let third = gateway.generate_public_key("eve");
    upload_key(&gateway, "bob", &["eve"], &third).fails();
    upload_key(&gateway, "bob", &[ADMIN], &third).fails();
    upload_key(&gateway, "bob", &["--admin", "bob"], &third).fails();
    assert!(!gateway.can_log_in("eve"));
    // another user's key cannot be uploaded again
    let admins_key = std::fs::read_to_string(gateway.path(&format!("{ADMIN}.pub"))).unwrap();
    upload_key(&gateway, "bob", &["bob"], &admins_key).fails();
}

#[test]
fn an_invalid_key_is_refused_with_its_line() {
    let gateway = Gateway::start();
    for (text, reason) in [
        ("", "no key"),
        ("ssh-ed25519 not-base64 x", "line 1"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "private"),
        ("command=\"sh\" ssh-ed25519 AAAA", "line 1"),
    ] {
        let output = upload_key(&gateway, ADMIN, &["bob"], text).fails();
        assert!(output.stderr.to_lowercase().contains(reason), "{text:?}: {}", output.stderr);
    }
    let key = gateway.generate_public_key("bob");
    upload_key(&gateway, ADMIN, &["'../etc'"], &key).fails().prints("user name");
}

#[test]
fn a_key_that_is_added_or_removed_with_kubectl_takes_effect_within_a_second() {
    let gateway = Gateway::start();
    let key = gateway.generate_public_key("carol");
    assert!(!gateway.can_log_in("carol"));
    kubectl::apply(&format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: by-hand, namespace: {}, labels: {{slipway.dev/keys: users}}}}\n\
         data: {{carol: \"{}\"}}\n",
        gateway.namespace,
        key.trim()
    ));
    within(SECOND, "carol can log in", || gateway.can_log_in("carol").then_some(()), String::new);
    kubectl(&["delete", "configmap", "by-hand", "-n", &gateway.namespace]);
    within(SECOND, "carol cannot log in", || (!gateway.can_log_in("carol")).then_some(()), String::new);
}

#[test]
fn a_hundred_concurrent_uploads_are_all_stored() {
    let gateway = Gateway::start();
    let names: Vec<String> = (0..100).map(|n| format!("user{n}")).collect();
    let keys: Vec<String> = names.iter().map(|name| gateway.generate_public_key(name)).collect();
    std::thread::scope(|scope| {
        for (name, key) in names.iter().zip(&keys) {
            let mut ssh = gateway.ssh(ADMIN);
            ssh.args(["upload-key", name]);
            scope.spawn(move || try_run_with_input(&mut ssh, key).ok());
        }
    });
    let maps = user_key_maps(&gateway).to_string();
    for (name, key) in names.iter().zip(&keys) {
        assert!(maps.contains(key_data(key)), "{name}'s key is missing");
    }
    assert!(gateway.can_log_in("user99"));
}

#[test]
fn a_key_file_in_utf_16_is_refused_with_the_reason() {
    let gateway = Gateway::start();
    let key = gateway.generate_public_key("bob");
    let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(key.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let file = gateway.path("utf16.pub");
    std::fs::write(&file, utf16).unwrap();
    let line = format!("{} < {}", shell_line(gateway.ssh(ADMIN).args(["upload-key", "bob"])), file.display());
    try_run(Command::new("sh").args(["-c", &line])).fails().prints("UTF-16");
}
