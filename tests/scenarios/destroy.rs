//! Deleting an app with `apps:destroy`.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::support::api_proxy::{Action, ApiProxy};
use crate::support::process::try_run_with_input;
use crate::support::{ADMIN, App, Gateway, kubectl, registry_api, run, wait_until};

#[test]
fn an_app_is_destroyed_after_its_name_is_typed_and_the_name_is_free_again() {
    let gateway = Gateway::start();
    gateway.register_user("bob");
    let app = App::deployed(&gateway);
    let destroy = format!("apps:destroy {}", app.name);
    for answer in ["", "no\n", "yes\n", "myapp"] {
        try_run_with_input(gateway.ssh(ADMIN).arg(&destroy), answer)
            .fails()
            .prints("Type its name")
            .prints("nothing was deleted");
    }
    let name = format!("{}\n", app.name);
    try_run_with_input(gateway.ssh("bob").arg(&destroy), &name).fails().prints("there is no app");
    app.shows("one");

    try_run_with_input(gateway.ssh(ADMIN).arg(&destroy), &name).ok().prints_all(&[
        "deployment/",
        "service/",
        "Removing the namespace",
        "is deleted, with its namespace and its repository",
    ]);
    assert!(!app.namespace_exists());
    assert!(!gateway.repository_path(&app.name).exists());
    assert!(!gateway.path("data/former").exists(), "the repository was kept in the archive");
    app.push_as(&gateway, "bob", &["main"]).ok().prints("Released v1");
}

#[test]
fn an_app_that_another_user_owns_by_the_time_of_the_confirmation_is_not_destroyed() {
    let gateway = Gateway::start();
    gateway.register_user("alice");
    let app = App::web("one");
    app.push_as(&gateway, "alice", &["main"]).ok();
    let mut destroy = gateway.ssh("alice");
    destroy.arg(format!("apps:destroy {}", app.name)).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut destroy = destroy.spawn().unwrap();
    let mut prompt = vec![0; 4096];
    let length = destroy.stderr.as_mut().unwrap().read(&mut prompt).unwrap();
    assert!(String::from_utf8_lossy(&prompt[..length]).contains("This deletes"));
    kubectl(&["annotate", "--overwrite", "namespace", &app.name, "slipway.dev/owner=bob"]);
    destroy.stdin.take().unwrap().write_all(format!("{}\n", app.name).as_bytes()).unwrap();
    let output = destroy.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no app"), "{output:?}");
    app.shows("one");
}

#[test]
fn an_app_that_is_being_deployed_is_not_destroyed() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let push = app.start_push_with_build_step(&gateway, "sleep 1000");
    gateway.run_command(&format!("apps:destroy {} --force", app.name)).fails().prints("in use by");
    drop(push);
    app.shows("one");
}

#[test]
fn a_namespace_that_cannot_be_deleted_is_reported_with_its_finalizer() {
    let mut gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.block_namespace_deletion();
    let destroy = format!("apps:destroy {} --force", app.name);
    let first = gateway.run_command(&destroy);
    let second = gateway.run_command(&destroy);
    gateway.kill();
    app.unblock_namespace_deletion();
    first.fails().prints("still being deleted").prints("example.com/keep").prints("removes the app's repository");
    second.fails().prints("is being deleted").prints("kubectl get namespace");
    assert!(gateway.repository_path(&app.name).exists());
    gateway.launch();
    wait_until("the deletion is finished", || !gateway.repository_path(&app.name).exists());
    app.push(&gateway).ok().prints("Released v1");
    assert!(!gateway.path("data/former").exists(), "the repository was kept in the archive");
}

#[test]
fn a_destroyed_app_leaves_no_image_of_a_record_that_was_deleted_by_hand() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    app.wait_unlocked();
    let releases = gateway.run_json(&format!("releases {}", app.name));
    let images: Vec<&str> = releases.as_array().unwrap().iter().map(|r| r["image"].as_str().unwrap()).collect();
    assert_eq!(images.len(), 2);
    kubectl(&["delete", "secret", &app.record_name("v1"), "-n", &app.name]);
    gateway.run_command(&format!("apps:destroy {} --force", app.name)).ok();
    for image in images {
        assert!(!registry_api::has_image(&app, image), "{image}");
    }
}

#[test]
fn an_app_stays_locked_until_the_deletion_of_its_namespace_is_accepted() {
    let (api, gateway) = ApiProxy::start_with_gateway(&[]);
    let app = Arc::new(App::deployed(&gateway));
    let holders = Arc::new(Mutex::new(Vec::new()));
    let (observed_app, observed) = (app.clone(), holders.clone());
    let namespace = format!("/api/v1/namespaces/{}", app.name);
    api.set_rule(move |request| {
        if request.method == "DELETE" && request.path.split('?').next() == Some(&namespace) {
            observed.lock().unwrap().push(observed_app.lock_holder());
        }
        Action::Forward
    });
    gateway.run_command(&format!("apps:destroy {} --force", app.name)).ok().prints("is deleted");
    let holders = holders.lock().unwrap();
    assert!(matches!(holders.as_slice(), [Some(_)]), "the holders when the namespace was deleted: {holders:?}");
}

#[test]
fn a_destroyed_app_leaves_no_image_in_the_engine() {
    let gateway = Gateway::with(&[("SLIPWAY_BUILDER", "classic")]);
    let app = App::deployed(&gateway);
    let image = format!("slipway/{}", app.name);
    let list_images = || run(Command::new("docker").args(["image", "ls", "-q", &image])).stdout;
    assert_ne!(list_images(), "", "the classic builder's cache is its images");
    gateway.run_command(&format!("apps:destroy {} --force", app.name)).ok();
    assert_eq!(list_images(), "");
}

#[test]
fn a_push_whose_namespace_is_deleted_fails_with_that_reason() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let push = app.start_push_with_build_step(&gateway, "sleep 1000");
    kubectl(&["delete", "namespace", &app.name, "--wait=false"]);
    push.wait().fails().prints("the namespace was deleted").does_not_print("Releasing");
}

#[test]
fn a_push_whose_namespace_is_deleted_during_the_rollout_fails() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    app.commit_slow_start(30);
    let push = app.start_push(&gateway);
    push.wait_for_output("0 of 1 ready");
    kubectl(&["delete", "namespace", &app.name, "--wait=false"]);
    push.wait().fails().does_not_print("Application deployed");
}
