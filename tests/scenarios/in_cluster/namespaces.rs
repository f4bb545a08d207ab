//! An installation without cluster-wide permissions, which may use existing namespaces only.

use std::process::Command;

use crate::support::helm::helm;
use crate::support::{App, Installation, kubectl, run};

#[test]
fn slipway_without_cluster_wide_permissions_uses_the_listed_namespaces_only() {
    let mut slipway = Installation::prepared();
    let (app, helms, foreign) = (App::web("one"), App::web("one"), App::web("one"));
    for namespace in [&app.name, &helms.name, &foreign.name] {
        kubectl(&["create", "namespace", namespace]);
    }
    // one namespace has a release of helm's
    let chart = slipway.path("chart");
    run(Command::new("helm").args(["create", chart.to_str().unwrap()]));
    let install = ["install", &helms.name, chart.to_str().unwrap(), "--set", "replicaCount=0"];
    helm(&helms, &install);
    slipway.values.push("rbac.scope=namespaces".to_owned());
    slipway.values.push(format!("rbac.namespaces={{{},{}}}", app.name, helms.name));
    slipway.start();
    assert!(!slipway.can_i("create", "namespaces", "default") && !slipway.can_i("list", "secrets", &foreign.name));

    // a first push claims a listed namespace, and no other one
    slipway.push(&app).ok().prints("Released v1");
    app.shows("one");
    slipway.push(&foreign).fails().prints("not one of the namespaces that slipway may use here");
    slipway.push(&helms).fails().prints("was not made by slipway");
    slipway.run_command(&format!("apps:adopt {}", helms.name)).ok().prints("Its Helm release is at v1");
    let apps = slipway.run_command("apps").ok();
    apps.prints(&app.name).prints(&helms.name).does_not_print(&foreign.name);

    // the namespace of a deleted app stays, and can be claimed again
    slipway.run_command(&format!("apps:destroy {} --force", app.name)).ok().prints("remains");
    assert_eq!(app.get("deployment", &app.name), None);
    slipway.run_command("apps").ok().does_not_print(&app.name);
    slipway.push(&app).ok().prints("Released v1");

    // a deleted namespace is not created again
    app.delete_namespace();
    slipway.push(&app).fails().prints("may not create namespaces here");
    slipway.run_command("apps").ok().prints(&helms.name);
}
