//! State that slipway 0.1 left in the cluster.

use crate::support::client::generate_key;
use crate::support::helm::helm;
use crate::support::{App, Gateway, assert_history, kubectl};

/// The name of the app in `fixtures/state-0.1.yaml`.
const APP: &str = "state-of-0-1";

#[test]
fn keys_host_key_and_releases_of_0_1_are_read() {
    let mut gateway = Gateway::prepared(&[]);
    kubectl(&["create", "namespace", &gateway.namespace]);
    let host_key = gateway.path("old_host_key");
    generate_key(&host_key, "");
    let private = std::fs::read_to_string(&host_key).unwrap();
    let state = include_str!("fixtures/state-0.1.yaml")
        .replace("INSTALLATION", &gateway.namespace)
        .replace("ADMIN_KEY", gateway.generate_public_key("old-admin").trim())
        .replace("BOB_KEY", gateway.generate_public_key("bob").trim())
        .replace("\"HOST_KEY\"", &serde_json::to_string(&private).unwrap());
    kubectl::apply(&state);
    gateway.launch();

    // the host key is the same, and the keys can log in
    let public = std::fs::read_to_string(host_key.with_extension("pub")).unwrap();
    let known_hosts = std::fs::read_to_string(gateway.known_hosts()).unwrap();
    assert!(known_hosts.contains(public.split(' ').nth(1).unwrap()), "{known_hosts}");
    gateway.run_command_as("old-admin", "apps").ok().prints(APP);
    let releases = gateway.run_command_as("bob", &format!("releases {APP}")).ok();
    let releases = releases.prints_all(&["v1", "deployed", "Deployed", "admin"]);
    assert_eq!(releases.stdout.lines().count(), 2, "{releases:?}");
    let show = gateway.run_command_as("bob", &format!("releases:show {APP}")).ok();
    show.prints("kind: Deployment").prints("sha256:");

    // a push upgrades the app
    let mut app = App::web("two");
    app.name = APP.to_owned();
    app.push_as(&gateway, "bob", &["main"]).ok().prints("Released v2");
    app.shows("two");
    let history = helm(&app, &["history", APP, "-o", "json"]).stdout;
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    let statuses: Vec<_> = history.as_array().unwrap().iter().map(|revision| &revision["status"]).collect();
    assert_eq!(statuses, ["superseded", "deployed"]);
    assert_history(&app, &[("v1", "superseded"), ("v2", "deployed")]);
    gateway.run_command_as("old-admin", &format!("apps:destroy {APP} --force")).ok();
    gateway.run_command("apps").ok().prints("no apps");
}
