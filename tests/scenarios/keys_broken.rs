//! ConfigMaps of keys that somebody breaks by hand: nobody is locked out, and it is told until it is mended.

use serde_json::{Value, json};

use crate::support::gateway::ADMIN;
use crate::support::{Gateway, eventually, try_run, world};

const ADMINS: &str = "slipway-admins-0";

fn patch(gateway: &Gateway, map: &str, kind: &str, patch: &Value) {
    let patch = patch.to_string();
    world::kubectl(&["patch", "configmap", map, "-n", &gateway.namespace, "--type", kind, "-p", &patch]);
}

fn metric(gateway: &Gateway, name: &str) -> String {
    let metrics = gateway.get("/metrics").ok().stdout;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{metrics}")).to_owned()
}

#[track_caller]
fn broken(gateway: &Gateway, maps: &str) {
    eventually(&format!("{maps} broken"), || (metric(gateway, "slipway_key_maps_broken") == maps).then_some(()));
}

fn may_log_in(gateway: &Gateway, user: &str) -> bool {
    try_run(gateway.ssh(user).arg("help")).code == Some(0)
}

/// How often the log says that a ConfigMap is broken, and that one is mended.
fn told(gateway: &Gateway) -> (usize, usize) {
    let log = gateway.log();
    let lines =
        |text: &str| log.iter().filter(|line| line["message"].as_str().is_some_and(|m| m.contains(text))).count();
    (lines("of keys is broken"), lines("of keys is mended"))
}

#[test]
fn an_admin_gets_in_however_his_config_map_is_broken() {
    let gateway = Gateway::start();
    let good = world::object(&["configmap", ADMINS, "-n", &gateway.namespace]).unwrap();
    let good = &good["data"];
    broken(&gateway, "0");
    let size = metric(&gateway, "slipway_key_maps_bytes");
    let mend = json!({"data": good, "metadata": {"labels": {"slipway.dev/keys": "admins"}}});

    let breakages = [
        ("merge", json!({"data": {ADMIN: "ssh-ed25519 AAAA\ngarbage\n"}})),
        ("json", json!([{"op": "remove", "path": "/data"}])),
        ("merge", json!({"metadata": {"labels": {"slipway.dev/keys": null}}})),
        ("merge", json!({"metadata": {"labels": {"slipway.dev/keys": "admin"}}})),
    ];
    for (number, (kind, breakage)) in breakages.iter().enumerate() {
        patch(&gateway, ADMINS, kind, breakage);
        broken(&gateway, "1");
        assert!(may_log_in(&gateway, ADMIN), "{breakage}");
        assert_eq!(told(&gateway), (number + 1, number), "{breakage}");
        patch(&gateway, ADMINS, "merge", &mend);
        broken(&gateway, "0");
        assert!(may_log_in(&gateway, ADMIN), "{breakage}");
        eventually("it is told", || (told(&gateway) == (number + 1, number + 1)).then_some(()));
    }
    let told = || {
        let events = world::object(&["events", "-n", &gateway.namespace]).unwrap();
        let ours = |event: &&Value| event["reason"] == "KeysBroken" && event["type"] == "Warning";
        let maps =
            events["items"].as_array().unwrap().iter().filter(ours).map(|event| &event["involvedObject"]["name"]);
        maps.clone().count() >= breakages.len() && maps.clone().all(|map| map == ADMINS)
    };
    eventually("the cluster is told", || told().then_some(()));
    patch(&gateway, ADMINS, "merge", &json!({"data": {"-x": "garbage"}}));
    broken(&gateway, "1");
    assert_eq!(metric(&gateway, "slipway_key_lines_rejected"), "1");
    // with his key he mends it, and who is new gets in
    gateway.new_user("bob");
    assert!(may_log_in(&gateway, "bob"));
    patch(&gateway, ADMINS, "merge", &json!({"data": {"-x": null}}));
    broken(&gateway, "0");
    assert_eq!(metric(&gateway, "slipway_key_maps"), "2");
    assert!(metric(&gateway, "slipway_key_maps_bytes").parse::<u64>().unwrap() > size.parse().unwrap());
}

#[test]
fn rights_that_are_taken_away_are_gone_with_and_without_the_label() {
    let gateway = Gateway::start();
    for user in ["bob", "carol"] {
        gateway.new_user(user);
    }
    let out = |user: &str| {
        eventually(&format!("{user} is out"), || (!may_log_in(&gateway, user)).then_some(()));
    };
    patch(&gateway, "slipway-keys-0", "merge", &json!({"metadata": {"labels": {"slipway.dev/keys": null}}}));
    broken(&gateway, "1");
    assert!(may_log_in(&gateway, "bob"));
    patch(&gateway, "slipway-keys-0", "merge", &json!({"data": {"bob": null}}));
    out("bob");
    assert!(may_log_in(&gateway, "carol"));
    world::kubectl(&["delete", "configmap", "slipway-keys-0", "-n", &gateway.namespace]);
    out("carol");
    broken(&gateway, "0");
    assert!(may_log_in(&gateway, ADMIN));
}
