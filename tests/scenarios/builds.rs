//! What deploys printed, read afterwards.

use serde_json::Value;

use crate::support::gateway::ADMIN;
use crate::support::process::Output;
use crate::support::{App, Gateway, eventually, run, try_run, world};

fn ask(gateway: &Gateway, line: &str) -> Output {
    try_run(gateway.ssh(ADMIN).arg(line))
}

fn list(gateway: &Gateway, app: &App) -> Vec<Value> {
    let json = ask(gateway, &format!("builds:list {} --format json", app.name)).ok().stdout;
    serde_json::from_str(&json).unwrap()
}

#[test]
fn what_a_deploy_printed_can_be_read_afterwards_by_who_may_read_the_app() {
    let gateway = Gateway::start();
    let app = App::web("one");
    let push = app.push(&gateway).ok();
    let printed = ask(&gateway, &format!("builds:output {}", app.name)).ok().stdout;
    assert!(printed.starts_with("-----> Receiving main at "), "{printed}");
    for line in printed.lines() {
        assert!(push.contains(&format!("remote: {line}")), "{line:?} is not in what the pusher saw: {push:?}");
    }

    app.build_step("echo cannot go on; exit 3");
    app.commit("it does not build");
    app.push(&gateway).fails();
    ask(&gateway, &format!("redeploy {}", app.name)).ok();
    ask(&gateway, &format!("rollback {} v1", app.name)).ok();
    let deploys = list(&gateway, &app);
    let states: Vec<_> =
        deploys.iter().map(|deploy| [&deploy["what"], &deploy["state"], &deploy["revision"]]).collect();
    let expected = [
        ["push".into(), "deployed".into(), Value::from(1)],
        ["push".into(), "failed".into(), Value::Null],
        ["redeploy".into(), "deployed".into(), Value::from(2)],
        ["rollback".into(), "deployed".into(), Value::from(3)],
    ];
    assert_eq!(states.len(), expected.len());
    for (state, expected) in states.iter().zip(&expected) {
        assert_eq!(state.map(Clone::clone), *expected);
    }
    ask(&gateway, &format!("builds:output {} 2", app.name)).ok().says("cannot go on").says(" !     ");
    ask(&gateway, &format!("builds:list {}", app.name)).ok().says("TOOK").says("failed");
    ask(&gateway, &format!("builds:output {} 9", app.name)).fails().says("no such log");

    gateway.new_user("mallory");
    for command in ["builds:list", "builds:output"] {
        let refused = try_run(gateway.ssh("mallory").arg(format!("{command} {}", app.name))).fails();
        assert!(!refused.contains("Receiving"), "{refused:?}");
    }
}

#[test]
fn the_log_of_a_first_deploy_that_failed_is_kept_with_its_app_and_goes_with_it() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.build_step("exit 3");
    app.commit("it does not build");
    app.push(&gateway).fails();
    assert_eq!(list(&gateway, &app)[0]["state"], "failed");

    // whoever takes the name next reads nothing of it
    world::kubectl(&["delete", "namespace", &app.name]);
    gateway.new_user("bob");
    app.web_files("two");
    app.commit("mended");
    app.push_as(&gateway, "bob", &["main"]).ok().says("Released v1");
    let deploys = list(&gateway, &app);
    assert_eq!((deploys.len(), &deploys[0]["user"]), (1, &"bob".into()));
    ask(&gateway, &format!("apps:destroy {} --force", app.name)).ok();
    assert!(!gateway.repository(&app.name).exists());
}

#[test]
fn a_push_that_creates_no_app_leaves_no_log() {
    let gateway = Gateway::start();
    let app = App::empty();
    app.write("README.md", "no Dockerfile");
    app.commit("one");
    app.push(&gateway).fails().says("Dockerfile");
    eventually("nothing is left", || (!gateway.repository(&app.name).exists()).then_some(()));
}

#[test]
fn a_deploy_whose_gateway_was_killed_is_shown_as_interrupted() {
    let mut gateway = Gateway::start();
    let app = App::web("one");
    app.build_step("echo working; sleep 20");
    app.commit("slow");
    let push = app.start_push(&gateway, ADMIN, &["main"]);
    push.until("sleep 20");
    let running = eventually("it is listed", || list(&gateway, &app).pop());
    assert_eq!(running["state"], "running");
    gateway.kill();
    push.finish().fails();
    gateway.launch();
    assert_eq!(list(&gateway, &app)[0]["state"], "interrupted");
    ask(&gateway, &format!("builds:output {}", app.name)).ok().says("Receiving main").says("interrupted");
    run(gateway.ssh(ADMIN).arg(format!("apps:destroy {} --force", app.name)));
}
