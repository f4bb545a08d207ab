//! The kept logs of deploys: `builds:list` and `builds:output`.

use serde_json::{Value, json};

use crate::support::{App, Gateway, eventually, wait_until};

fn list_logs(gateway: &Gateway, app: &App) -> Vec<Value> {
    gateway.run_json(&format!("builds:list {}", app.name)).as_array().unwrap().clone()
}

#[test]
fn the_log_of_a_deploy_can_be_read_by_users_who_may_read_the_app() {
    let gateway = Gateway::start();
    let app = App::web("one");
    let push = app.push(&gateway).ok();
    let log = gateway.run_command(&format!("builds:output {}", app.name)).ok().stdout;
    assert!(log.starts_with("-----> Receiving main at "), "{log}");
    for line in log.lines() {
        assert!(push.contains(&format!("remote: {line}")), "{line:?} is not in the push's output: {push:?}");
    }

    app.commit_build_step("echo cannot go on; exit 3");
    app.push(&gateway).fails();
    gateway.run_command(&format!("redeploy {}", app.name)).ok();
    gateway.run_command(&format!("rollback {} v1", app.name)).ok();
    let deploys = list_logs(&gateway, &app);
    let results: Vec<Value> =
        deploys.iter().map(|deploy| json!([deploy["what"], deploy["state"], deploy["revision"]])).collect();
    let expected = [
        json!(["push", "deployed", 1]),
        json!(["push", "failed", null]),
        json!(["redeploy", "deployed", 2]),
        json!(["rollback", "deployed", 3]),
    ];
    assert_eq!(results, expected);
    gateway.run_command(&format!("builds:output {} 2", app.name)).ok().prints("cannot go on").prints(" !     ");
    gateway.run_command(&format!("builds:list {}", app.name)).ok().prints("TOOK").prints("failed");
    gateway.run_command(&format!("builds:output {} 9", app.name)).fails().prints("no such log");

    gateway.register_user("mallory");
    for command in ["builds:list", "builds:output"] {
        let line = format!("{command} {}", app.name);
        gateway.run_command_as("mallory", &line).fails().does_not_print("Receiving");
    }
}

#[test]
fn the_log_of_a_failed_first_deploy_is_kept_until_the_app_is_deleted() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.commit_build_step("exit 3");
    app.push(&gateway).fails();
    assert_eq!(list_logs(&gateway, &app)[0]["state"], "failed");

    // the next owner of the name has no access to the log
    app.delete_namespace();
    gateway.register_user("bob");
    app.commit_web("two");
    app.push_as(&gateway, "bob", &["main"]).ok().prints("Released v1");
    let deploys = list_logs(&gateway, &app);
    assert_eq!((deploys.len(), &deploys[0]["user"]), (1, &"bob".into()));
    gateway.run_command(&format!("apps:destroy {} --force", app.name)).ok();
    assert!(!gateway.repository_path(&app.name).exists());
}

#[test]
fn a_push_that_creates_no_app_leaves_no_log() {
    let gateway = Gateway::start();
    let app = App::empty();
    app.write("README.md", "no Dockerfile");
    app.commit("one");
    app.push(&gateway).fails().prints("Dockerfile");
    wait_until("the repository is removed", || !gateway.repository_path(&app.name).exists());
}

#[test]
fn a_deploy_whose_gateway_was_killed_is_listed_as_interrupted() {
    let mut gateway = Gateway::start();
    let app = App::web("one");
    let push = app.start_push_with_build_step(&gateway, "echo working; sleep 20");
    let deploy = eventually("the deploy is listed", || list_logs(&gateway, &app).pop());
    assert_eq!(deploy["state"], "running");
    gateway.kill();
    push.wait().fails();
    gateway.launch();
    assert_eq!(list_logs(&gateway, &app)[0]["state"], "interrupted");
    gateway.run_command(&format!("builds:output {}", app.name)).ok().prints("Receiving main").prints("interrupted");
    gateway.run_command(&format!("apps:destroy {} --force", app.name)).ok();
}
