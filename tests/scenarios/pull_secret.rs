//! A registry with a password: slipway gives it to nodes in a pull Secret, and updates the Secret when the password changes.

use std::process::Command;

use crate::support::chart_rbac::ChartRbac;
use crate::support::helm::{helm, write_chart};
use crate::support::test_registry::{NODES, PASSWORDS, TestRegistry};
use crate::support::{App, Gateway, kubectl, try_run, wait_until};

/// A part of both passwords, which no log, output or release may contain.
const CANARY: &str = "canary";

/// A gateway for the registry with its first password and with pull Secrets.
fn prepare_gateway(registry: &TestRegistry) -> Gateway {
    let mut gateway = registry.prepare_gateway(0);
    gateway.set(&[("SLIPWAY_REGISTRY_PULL_SECRET", "true")]);
    gateway
}

/// Changes the password in the registry and in the gateway's file. The file is replaced atomically, as the kubelet does it.
fn rotate_password(gateway: &Gateway, registry: &TestRegistry, index: usize) {
    registry.set_password(index);
    std::fs::write(gateway.path("new"), format!("{}\n", PASSWORDS[index].0)).unwrap();
    std::fs::rename(gateway.path("new"), gateway.path("password")).unwrap();
}

/// Ends all pods of the app, and removes their image from the node's Engine.
fn stop_and_remove_image(app: &App, image: &str) {
    app.scale(0);
    wait_until("no pod is left", || kubectl::list(&["pods", "-n", &app.name]).is_empty());
    wait_until("the image is removed", || {
        let _ = try_run(Command::new("docker").args(["image", "rm", "-f", image]));
        try_run(Command::new("docker").args(["image", "inspect", image])).code != Some(0)
    });
}

/// The digest of the app's image.
fn image_digest(app: &App) -> String {
    app.image().split_once('@').unwrap().1.to_owned()
}

#[test]
fn nodes_pull_with_a_secret_that_follows_the_registrys_password() {
    let registry = TestRegistry::start_with_password();
    let mut gateway = prepare_gateway(&registry);
    let _rbac = ChartRbac::grant(&mut gateway);
    gateway.launch();
    let app = App::web("one");
    app.push(&gateway).ok().prints("Released v1").does_not_print(CANARY);
    app.shows("one");
    let (first, digest) = (app.image(), image_digest(&app));
    let pulls = registry.authenticated_pulls(&digest);
    assert!(pulls > 0);

    rotate_password(&gateway, &registry, 1);
    app.wait_for_pull_password(1);
    stop_and_remove_image(&app, &first);
    app.scale(1);
    app.shows("one");
    assert!(registry.authenticated_pulls(&digest) > pulls);
    app.commit_page("two");
    app.push(&gateway).ok().prints("Released v2").does_not_print(CANARY);
    app.shows("two");

    // helm rolls back to an old revision, whose image is pulled with the current password
    stop_and_remove_image(&app, &first);
    helm(&app, &["rollback", &app.name, "1", "--wait"]);
    app.scale(1);
    app.shows("one");

    // the password changes while slipway does not run
    gateway.terminate();
    let log = gateway.log();
    gateway.wait();
    rotate_password(&gateway, &registry, 0);
    gateway.launch();
    app.wait_for_pull_password(0);

    gateway.run_command(&format!("releases:show {}", app.name)).ok().does_not_print(CANARY);
    helm(&app, &["get", "all", &app.name]).does_not_print(CANARY);
    assert!(!log.iter().any(|line| line.to_string().contains(CANARY)) && !gateway.has_logged(CANARY));
}

#[test]
fn nodes_can_pull_as_another_user() {
    let registry = TestRegistry::start_with_password();
    let mut gateway = prepare_gateway(&registry);
    let file = gateway.path("pull-password");
    std::fs::write(&file, PASSWORDS[1].0).unwrap();
    gateway
        .set(&[("SLIPWAY_REGISTRY_PULL_USER", NODES), ("SLIPWAY_REGISTRY_PULL_PASSWORD_FILE", file.to_str().unwrap())]);
    gateway.launch();
    let app = App::deployed(&gateway);
    assert!(registry.authenticated_pulls(&image_digest(&app)) > 0);
    app.wait_for_pull_password(1);
    assert!(!app.pull_config().contains(PASSWORDS[0].0), "the Secret has the password for pushing");
}

#[test]
fn nodes_without_a_pull_secret_cannot_pull_from_a_registry_with_a_password() {
    let registry = TestRegistry::start_with_password();
    let mut gateway = prepare_gateway(&registry);
    gateway.set(&[("SLIPWAY_REGISTRY_PULL_SECRET", "false"), ("SLIPWAY_ROLLOUT_TIMEOUT", "20s")]);
    gateway.launch();
    let app = App::web("one");
    app.push(&gateway).fails().prints("cannot be pulled").does_not_print(CANARY);
    assert_eq!(app.get("secret", "slipway-pull"), None);
}

#[test]
fn a_released_namespace_keeps_no_pull_secret() {
    let registry = TestRegistry::start_with_password();
    let mut gateway = prepare_gateway(&registry);
    gateway.launch();
    let app = App::web("one");
    kubectl(&["create", "namespace", &app.name]);
    let chart = write_chart("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n");
    helm(&app, &["install", &app.name, chart.path().to_str().unwrap()]);
    gateway.run_command(&format!("apps:adopt {}", app.name)).ok();
    app.push(&gateway).ok();
    app.wait_for_pull_password(0);
    gateway.run_command(&format!("apps:destroy {} --force", app.name)).ok();
    assert!(app.namespace_exists());
    assert_eq!(app.get("secret", "slipway-pull"), None);
}

#[test]
fn an_empty_password_file_stops_the_start_and_is_ignored_later() {
    let registry = TestRegistry::start_with_password();
    let mut gateway = prepare_gateway(&registry);
    std::fs::write(gateway.path("password"), "\n").unwrap();
    let refused = try_run(&mut gateway.serve_command());
    assert_eq!(refused.code, Some(2), "{refused:?}");
    refused.prints("--registry-password-file").prints("the file is empty");

    std::fs::write(gateway.path("password"), PASSWORDS[0].0).unwrap();
    gateway.launch();
    std::fs::write(gateway.path("password"), "").unwrap();
    wait_until("the problem is logged", || gateway.has_logged("the previous passwords stay in use"));
    App::web("one").push(&gateway).ok();
}

#[test]
fn a_pull_secret_without_a_password_stops_the_start() {
    let mut gateway = Gateway::prepared(&[("SLIPWAY_REGISTRY_PULL_SECRET", "true")]);
    let refused = try_run(&mut gateway.serve_command()).prints("--registry-pull-secret: no password is set");
    assert_eq!(refused.code, Some(2), "{refused:?}");
    gateway.set(&[("SLIPWAY_REGISTRY_PULL_SECRET", "false")]);
    gateway.launch();
}
