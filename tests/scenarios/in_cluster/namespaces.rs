//! slipway in the cluster without a right in the whole of it: it may use namespaces that are there, and no other.

use std::process::Command;

use crate::support::{App, Installed, run, world};

#[test]
fn without_rights_in_the_whole_cluster_slipway_uses_the_namespaces_that_it_was_given() {
    let mut slipway = Installed::prepared();
    let (app, helms, foreign) = (App::web("one"), App::web("one"), App::web("one"));
    for namespace in [&app.name, &helms.name, &foreign.name] {
        world::kubectl(&["create", "namespace", namespace]);
    }
    // helm was there before
    let chart = slipway.path("chart");
    run(Command::new("helm").args(["create", chart.to_str().unwrap()]));
    let helm = ["install", &helms.name, chart.to_str().unwrap(), "--namespace", &helms.name, "--set", "replicaCount=0"];
    run(Command::new("helm").args(helm));
    slipway.values.push("rbac.scope=namespaces".to_owned());
    slipway.values.push(format!("rbac.namespaces={{{},{}}}", app.name, helms.name));
    slipway.install().ok();
    slipway.write_known_hosts();
    slipway.ready("");
    assert!(!slipway.may("create", "namespaces", "default") && !slipway.may("list", "secrets", &foreign.name));

    // a first push takes one of them, and no other
    slipway.push(&app).ok().says("Released v1");
    app.shows("one");
    slipway.push(&foreign).fails().says("none of the namespaces that slipway may use here");
    slipway.push(&helms).fails().says("was not made by slipway");
    slipway.tell(&format!("apps:adopt {}", helms.name)).ok().says("Helm's release is at v1");
    let apps = slipway.tell("apps").ok();
    assert!(apps.contains(&app.name) && apps.contains(&helms.name) && !apps.contains(&foreign.name), "{apps:?}");

    // the namespace stays when the app ends, and is free again
    slipway.tell(&format!("apps:destroy {} --force", app.name)).ok().says("stays");
    assert_eq!(app.object("deployment", &app.name), None);
    assert!(!slipway.tell("apps").ok().contains(&app.name));
    slipway.push(&app).ok().says("Released v1");

    // one that is gone is asked for, not made
    world::kubectl(&["delete", "namespace", &app.name]);
    slipway.push(&app).fails().says("may not make it");
    assert!(slipway.tell("apps").ok().contains(&helms.name));
    world::kubectl(&["delete", "namespace", &foreign.name, "--wait=false"]);
}
