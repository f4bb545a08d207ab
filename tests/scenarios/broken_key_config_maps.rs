//! ConfigMaps of keys that are broken by hand: no user is locked out, and the problem is reported until it is repaired.

use serde_json::{Value, json};

use crate::support::{ADMIN, Gateway, kubectl, wait_until};

const ADMIN_KEYS: &str = "slipway-admins-0";
const USER_KEYS: &str = "slipway-keys-0";

/// Patches a ConfigMap with a patch of a type such as `merge`.
fn patch(gateway: &Gateway, map: &str, patch_type: &str, patch: &Value) {
    let patch = patch.to_string();
    kubectl(&["patch", "configmap", map, "-n", &gateway.namespace, "--type", patch_type, "-p", &patch]);
}

#[track_caller]
fn wait_for_broken_maps(gateway: &Gateway, count: &str) {
    wait_until(&format!("{count} broken ConfigMaps"), || gateway.metric("slipway_key_maps_broken") == count);
}

/// The number of log messages about broken ConfigMaps, and about repaired ones.
fn count_log_messages(gateway: &Gateway) -> (usize, usize) {
    let log = gateway.log();
    let messages = || log.iter().filter_map(|line| line["message"].as_str());
    let count = |text: &str| messages().filter(|message| message.contains(text)).count();
    (count("of keys is broken"), count("of keys is repaired"))
}

#[test]
fn an_admin_can_log_in_after_any_damage_to_the_config_map() {
    let gateway = Gateway::start();
    let original = kubectl::get(&["configmap", ADMIN_KEYS, "-n", &gateway.namespace]).unwrap();
    wait_for_broken_maps(&gateway, "0");
    let size_before = gateway.metric("slipway_key_maps_bytes");
    let repair = json!({"data": original["data"], "metadata": {"labels": {"slipway.dev/keys": "admins"}}});

    let damages = [
        ("merge", json!({"data": {ADMIN: "ssh-ed25519 AAAA\ngarbage\n"}})),
        ("json", json!([{"op": "remove", "path": "/data"}])),
        ("merge", json!({"metadata": {"labels": {"slipway.dev/keys": null}}})),
        ("merge", json!({"metadata": {"labels": {"slipway.dev/keys": "admin"}}})),
    ];
    for (repaired, (patch_type, damage)) in damages.iter().enumerate() {
        patch(&gateway, ADMIN_KEYS, patch_type, damage);
        wait_for_broken_maps(&gateway, "1");
        assert!(gateway.can_log_in(ADMIN), "{damage}");
        assert_eq!(count_log_messages(&gateway), (repaired + 1, repaired), "{damage}");
        patch(&gateway, ADMIN_KEYS, "merge", &repair);
        wait_for_broken_maps(&gateway, "0");
        assert!(gateway.can_log_in(ADMIN), "{damage}");
        wait_until("the repair is logged", || count_log_messages(&gateway) == (repaired + 1, repaired + 1));
    }
    wait_until("the events are written", || {
        let events = kubectl::list(&["events", "-n", &gateway.namespace]);
        let warnings = events.iter().filter(|event| event["reason"] == "KeysBroken" && event["type"] == "Warning");
        let maps: Vec<&Value> = warnings.map(|event| &event["involvedObject"]["name"]).collect();
        maps.len() >= damages.len() && maps.iter().all(|map| **map == ADMIN_KEYS)
    });
    patch(&gateway, ADMIN_KEYS, "merge", &json!({"data": {"-x": "garbage"}}));
    wait_for_broken_maps(&gateway, "1");
    assert_eq!(gateway.metric("slipway_key_lines_rejected"), "1");
    // the admin can still upload a key
    gateway.register_user("bob");
    assert!(gateway.can_log_in("bob"));
    patch(&gateway, ADMIN_KEYS, "merge", &json!({"data": {"-x": null}}));
    wait_for_broken_maps(&gateway, "0");
    assert_eq!(gateway.metric("slipway_key_maps"), "2");
    let size: u64 = gateway.metric("slipway_key_maps_bytes").parse().unwrap();
    assert!(size > size_before.parse().unwrap());
}

#[test]
fn a_removed_key_loses_access_with_and_without_the_config_maps_label() {
    let gateway = Gateway::start();
    for user in ["bob", "carol"] {
        gateway.register_user(user);
    }
    let wait_locked_out = |user: &str| wait_until(&format!("{user} is locked out"), || !gateway.can_log_in(user));
    patch(&gateway, USER_KEYS, "merge", &json!({"metadata": {"labels": {"slipway.dev/keys": null}}}));
    wait_for_broken_maps(&gateway, "1");
    assert!(gateway.can_log_in("bob"));
    patch(&gateway, USER_KEYS, "merge", &json!({"data": {"bob": null}}));
    wait_locked_out("bob");
    assert!(gateway.can_log_in("carol"));
    kubectl(&["delete", "configmap", USER_KEYS, "-n", &gateway.namespace]);
    wait_locked_out("carol");
    wait_for_broken_maps(&gateway, "0");
    assert!(gateway.can_log_in(ADMIN));
}
