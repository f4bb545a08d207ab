//! What an earlier version left in the cluster: it is read, and gone on with.

use std::process::Command;

use crate::support::gateway::ADMIN;
use crate::support::{App, Gateway, run, try_run, world};

/// The name that its records have.
const APP: &str = "state-of-0-1";

fn public_key(gateway: &Gateway, name: &str) -> String {
    let path = gateway.new_key(name).with_extension("pub");
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

#[test]
fn keys_host_key_and_releases_of_0_1_are_read() {
    let mut gateway = Gateway::prepared(&[]);
    world::kubectl(&["create", "namespace", &gateway.namespace]);
    let host_key = gateway.path("old_host_key");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&host_key));
    let private = std::fs::read_to_string(&host_key).unwrap();
    let state = include_str!("fixtures/state-0.1.yaml")
        .replace("INSTALLATION", &gateway.namespace)
        .replace("ADMIN_KEY", &public_key(&gateway, "old-admin"))
        .replace("BOB_KEY", &public_key(&gateway, "bob"))
        .replace("\"HOST_KEY\"", &serde_json::to_string(&private).unwrap());
    world::apply(&state);
    gateway.launch();

    // the same host key, and the keys let in whom they let in before
    let old = std::fs::read_to_string(host_key.with_extension("pub")).unwrap();
    let known = std::fs::read_to_string(gateway.known_hosts()).unwrap();
    assert!(known.contains(old.split(' ').nth(1).unwrap()), "{known}");
    try_run(gateway.ssh("old-admin").arg("apps")).ok().says(APP);
    let releases = try_run(gateway.ssh("bob").arg(format!("releases {APP}"))).ok();
    let releases = releases.says("v1").says("deployed").says("Deployed").says("admin");
    assert_eq!(releases.stdout.lines().count(), 2, "{releases:?}");
    try_run(gateway.ssh("bob").arg(format!("releases:show {APP}"))).ok().says("kind: Deployment").says("sha256:");

    // the next push goes on with it
    let mut app = App::web("two");
    app.name = APP.to_owned();
    app.push_as(&gateway, "bob", &["main"]).ok().says("Released v2");
    app.shows("two");
    let history = run(Command::new("helm").args(["history", APP, "-n", APP, "-o", "json"])).stdout;
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    let statuses: Vec<_> = history.as_array().unwrap().iter().map(|revision| &revision["status"]).collect();
    assert_eq!(statuses, ["superseded", "deployed"]);
    try_run(gateway.ssh("old-admin").arg(format!("apps:destroy {APP} --force"))).ok();
    assert!(try_run(gateway.ssh(ADMIN).arg("apps")).ok().contains("no apps"));
}
