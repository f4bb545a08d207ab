//! Its life: installed, pushed to, robbed of its pod and of its volume.

use std::process::Command;

use crate::support::{App, Installed, run, world};

#[test]
fn a_first_push_from_outside_goes_live_and_nothing_is_lost_with_the_pod() {
    let slipway = Installed::prepared();
    slipway.install().ok().says("Push an app that has a Dockerfile");
    slipway.write_known_hosts();
    let app = App::web("one");
    let first = slipway.ready("");
    slipway.push(&app).ok().says("Released v1");
    app.shows("one");
    // the kubelet pulled by the cache of its node
    let cache = slipway.values.iter().find_map(|value| value.strip_prefix("cache.port=")).unwrap();
    let deployment = app.object("deployment", &app.name).unwrap().to_string();
    assert!(deployment.contains(&format!("localhost:{cache}/{}@sha256:", app.name)), "{deployment}");
    // rights where they are needed, and nowhere else
    assert!(slipway.may("list", "secrets", &app.name));
    assert!(!slipway.may("list", "secrets", "default"));
    assert!(!slipway.may("create", "deployments", "default"));

    slipway.kubectl(&["delete", "pod", &format!("{}-0", slipway.name)]);
    let second = slipway.ready(&first);
    app.write("index.html", "two");
    app.commit("second");
    // with the same host key, keys, repository and output of what was deployed before
    slipway.tell(&format!("builds:output {} 1", app.name)).ok().says("Released v1");
    slipway.push(&app).ok().says("Released v2");
    app.shows("two");

    // the volume of the repositories too
    slipway.lose("data");
    slipway.ready(&second);
    app.shows("two");
    app.write("index.html", "three");
    app.commit("third");
    slipway.push(&app).ok().says("Released v3");
    app.shows("three");
    let history = run(Command::new("helm").args(["history", &app.name, "-n", &app.name])).stdout;
    assert_eq!(history.lines().count(), 4, "{history}");

    // rights that somebody took away are taken again, by whatever needs them first
    world::kubectl(&["delete", "rolebinding", "slipway", "-n", &app.name]);
    slipway.tell(&format!("rollback {} v2", app.name)).ok().says("Released v4");
    app.shows("two");
    world::kubectl(&["delete", "rolebinding", "slipway", "-n", &app.name]);
    slipway.tell(&format!("apps:destroy {} --force", app.name)).ok().says("is gone");
    assert_eq!(world::object(&["namespace", &app.name]), None);
}
