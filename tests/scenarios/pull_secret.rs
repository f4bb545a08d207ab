//! A registry that asks nodes for a password: slipway gives it to them, and follows it when it changes.

use std::process::Command;

use crate::support::gateway::ADMIN;
use crate::support::least_rights::LeastRights;
use crate::support::registry::{NODES, OwnRegistry, PASSWORDS, USER};
use crate::support::{App, Gateway, eventually, run, try_run, world};

/// What no log, no answer and no release may hold.
const CANARY: &str = "canary";

/// A gateway at a registry with a password, which is in the gateway's file `password`.
fn prepared(registry: &OwnRegistry) -> Gateway {
    let mut gateway = Gateway::prepared(&[]);
    let file = gateway.path("password");
    std::fs::write(&file, PASSWORDS[0].0).unwrap();
    gateway.set(&[
        ("SLIPWAY_REGISTRY_PUSH", &registry.local()),
        ("SLIPWAY_REGISTRY_USER", USER),
        ("SLIPWAY_REGISTRY_PASSWORD_FILE", file.to_str().unwrap()),
        ("SLIPWAY_REGISTRY_PULL_SECRET", "true"),
    ]);
    gateway
}

/// Changes the password at the registry and in the file. A kubelet changes the files of a pod in this way too: all at once.
fn rotate(gateway: &Gateway, registry: &OwnRegistry, number: usize) {
    registry.set_password(number);
    std::fs::write(gateway.path("new"), format!("{}\n", PASSWORDS[number].0)).unwrap();
    std::fs::rename(gateway.path("new"), gateway.path("password")).unwrap();
}

/// Waits until the app's namespace has this password.
pub fn until_nodes_have(app: &App, number: usize) {
    eventually("the Secret has the password", || {
        let secret = app.object("secret", "slipway-pull")?;
        assert_eq!(secret["type"], "kubernetes.io/dockerconfigjson");
        pull_config(app).contains(PASSWORDS[number].0).then_some(())
    });
}

fn pull_config(app: &App) -> String {
    let template = "go-template={{index .data \".dockerconfigjson\" | base64decode}}";
    world::kubectl(&["get", "secret", "slipway-pull", "-n", &app.name, "-o", template])
}

/// Starts the app's pod anew on a node that does not have its image.
fn start_anew(app: &App, image: &str) {
    stop(app);
    forget(image);
    world::kubectl(&["scale", "deployment", &app.name, "--replicas=1", "-n", &app.name]);
}

fn stop(app: &App) {
    world::kubectl(&["scale", "deployment", &app.name, "--replicas=0", "-n", &app.name]);
    eventually("no pod is left", || {
        let pods = world::object(&["pods", "-n", &app.name]).unwrap();
        pods["items"].as_array().unwrap().is_empty().then_some(())
    });
}

fn forget(image: &str) {
    let gone = || try_run(Command::new("docker").args(["image", "inspect", image])).code != Some(0);
    eventually("the Engine has forgotten the image", || {
        let _ = try_run(Command::new("docker").args(["image", "rm", "-f", image]));
        gone().then_some(())
    });
}

fn image_of(app: &App) -> String {
    let deployment = app.object("deployment", &app.name).unwrap();
    deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
}

#[test]
fn nodes_pull_with_a_secret_that_follows_the_registrys_password() {
    let registry = OwnRegistry::start(true);
    let mut gateway = prepared(&registry);
    let _rights = LeastRights::of(&mut gateway);
    gateway.launch();
    let app = App::web("one");
    app.push(&gateway).ok().says("Released v1").never_says(CANARY);
    app.shows("one");
    let first = image_of(&app);
    let digest = first.split_once('@').unwrap().1;
    let pulls = registry.pulls(digest);
    assert!(pulls > 0);

    rotate(&gateway, &registry, 1);
    until_nodes_have(&app, 1);
    start_anew(&app, &first);
    app.shows("one");
    assert!(registry.pulls(digest) > pulls);
    app.write("index.html", "two");
    app.commit("second");
    app.push(&gateway).ok().says("Released v2").never_says(CANARY);
    app.shows("two");

    // an old revision, which helm brings back, comes with the password of today
    stop(&app);
    forget(&first);
    run(Command::new("helm").args(["rollback", &app.name, "1", "--wait", "--namespace", &app.name]));
    world::kubectl(&["scale", "deployment", &app.name, "--replicas=1", "-n", &app.name]);
    app.shows("one");

    // one that changes while slipway does not run
    gateway.terminate();
    let log = gateway.log();
    gateway.wait();
    rotate(&gateway, &registry, 0);
    gateway.launch();
    until_nodes_have(&app, 0);

    let told = try_run(gateway.ssh(ADMIN).arg(format!("releases:show {}", app.name))).ok();
    let helms = run(Command::new("helm").args(["get", "all", &app.name, "--namespace", &app.name]));
    assert!(!told.contains(CANARY) && !helms.contains(CANARY));
    assert!(!log.iter().chain(&gateway.log()).any(|line| line.to_string().contains(CANARY)));
}

#[test]
fn nodes_may_pull_as_a_user_of_their_own() {
    let registry = OwnRegistry::start(true);
    let mut gateway = prepared(&registry);
    let file = gateway.path("pull-password");
    std::fs::write(&file, PASSWORDS[1].0).unwrap();
    gateway
        .set(&[("SLIPWAY_REGISTRY_PULL_USER", NODES), ("SLIPWAY_REGISTRY_PULL_PASSWORD_FILE", file.to_str().unwrap())]);
    gateway.launch();
    let app = App::web("one");
    app.push(&gateway).ok();
    assert!(registry.pulls(image_of(&app).split_once('@').unwrap().1) > 0);
    until_nodes_have(&app, 1);
    assert!(!pull_config(&app).contains(PASSWORDS[0].0), "who may push is nobody's business there");
}

#[test]
fn without_the_secret_nodes_cannot_pull_from_a_registry_that_asks() {
    let registry = OwnRegistry::start(true);
    let mut gateway = prepared(&registry);
    gateway.set(&[("SLIPWAY_REGISTRY_PULL_SECRET", "false"), ("SLIPWAY_ROLLOUT_TIMEOUT", "20s")]);
    gateway.launch();
    let app = App::web("one");
    app.push(&gateway).fails().says("cannot be pulled").never_says(CANARY);
    assert_eq!(app.object("secret", "slipway-pull"), None);
}

#[test]
fn a_namespace_that_is_given_back_keeps_no_password() {
    let registry = OwnRegistry::start(true);
    let mut gateway = prepared(&registry);
    gateway.launch();
    let app = App::web("one");
    world::kubectl(&["create", "namespace", &app.name]);
    let chart = crate::helm::chart("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n");
    run(Command::new("helm").args(["install", &app.name, "--namespace", &app.name]).arg(chart.path()));
    try_run(gateway.ssh(ADMIN).arg(format!("apps:adopt {}", app.name))).ok();
    app.push(&gateway).ok();
    until_nodes_have(&app, 0);
    try_run(gateway.ssh(ADMIN).arg(format!("apps:destroy {} --force", app.name))).ok();
    assert!(world::object(&["namespace", &app.name]).is_some());
    assert_eq!(app.object("secret", "slipway-pull"), None);
}

#[test]
fn a_password_that_cannot_be_used_is_refused_at_the_start_and_later_left_out() {
    let registry = OwnRegistry::start(true);
    let mut gateway = prepared(&registry);
    std::fs::write(gateway.path("password"), "\n").unwrap();
    let refused = try_run(&mut gateway.command());
    assert_eq!(refused.code, Some(2), "{refused:?}");
    refused.says("--registry-password-file").says("it is empty");
    let mut nobody = Gateway::prepared(&[("SLIPWAY_REGISTRY_PULL_SECRET", "true")]);
    assert_eq!(
        try_run(&mut nobody.command()).says("--registry-pull-secret: there is no password to give").code,
        Some(2)
    );
    nobody.set(&[("SLIPWAY_REGISTRY_PULL_SECRET", "false")]);
    nobody.launch();

    std::fs::write(gateway.path("password"), PASSWORDS[0].0).unwrap();
    gateway.launch();
    std::fs::write(gateway.path("password"), "").unwrap();
    let says = |line: &serde_json::Value| line.to_string().contains("the passwords from before stay in use");
    eventually("slipway says so", || gateway.log().iter().any(says).then_some(()));
    App::web("one").push(&gateway).ok();
}
