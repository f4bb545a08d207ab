//! The release phase: a command that has to succeed before the pods are replaced.

use crate::support::{ADMIN, App, Gateway, assert_history, kubectl, wait_until};

fn with_release_phase(command: &str) -> App {
    let app = App::web("one");
    app.write("Procfile", &format!("web: httpd -f -p $PORT -h /www\nrelease: {command}\n"));
    app.commit("with a release phase");
    app
}

fn set_command(app: &App, command: &str) {
    app.write("Procfile", &format!("web: httpd -f -p $PORT -h /www\nrelease: {command}\n"));
}

#[test]
fn the_output_of_the_release_phase_is_shown_while_it_runs() {
    let gateway = Gateway::start();
    let app = with_release_phase("echo migrating $SLIPWAY_REVISION; sleep 5; echo migrated");
    let push = app.start_push(&gateway);
    push.wait_for_output("migrating v1");
    assert!(!push.output().contains("migrated"), "{}", push.output());
    assert_eq!(app.get("deployment", &app.name), None, "the pods come after the release phase");
    push.wait()
        .ok()
        .prints_all(&[&format!("Running job/{}-release", app.name), "migrated", "Released v1"])
        .does_not_print("an app has to keep running");

    gateway.run_command(&format!("redeploy {}", app.name)).ok().prints("migrating v2");
    gateway.run_command(&format!("rollback {} v1", app.name)).ok().prints("migrating v1");
    let skipped = gateway.run_command(&format!("redeploy {} --skip-release-phase", app.name));
    skipped.ok().prints("Released v4").does_not_print("migrating");
    app.commit_page("two");
    let skipped = app.push_as(&gateway, ADMIN, &["--push-option=skip-release-phase", "main"]);
    skipped.ok().prints("Released v5").does_not_print("migrating");
    gateway.run_command(&format!("doctor {}", app.name)).ok().prints("Nothing is wrong");
}

#[test]
fn a_failed_release_phase_keeps_the_old_pods() {
    let gateway = Gateway::start();
    let app = with_release_phase("echo fine");
    app.push(&gateway).ok().prints("fine");
    let pods = || kubectl(&["get", "pods", "-n", &app.name, "-l", "app.kubernetes.io/component=web", "-o", "name"]);
    let before = pods();
    set_command(&app, "echo the table is locked; exit 3");
    app.commit_page("two");
    let failed = app.push(&gateway).fails();
    failed.prints_all(&["the table is locked", &format!("job/{}-release", app.name), "rolled back to v1"]);
    assert_eq!(pods(), before, "no pod was replaced");
    app.shows("one");
    assert_history(&app, &[("v1", "superseded"), ("v2", "failed"), ("v3", "deployed")]);
    set_command(&app, "echo unlocked");
    app.commit_page("three");
    app.push(&gateway).ok().prints("unlocked");
    app.shows("three");
}

#[test]
fn a_failed_first_release_phase_leaves_nothing() {
    let gateway = Gateway::start();
    let app = with_release_phase("exit 3");
    app.push(&gateway).fails().prints(&format!("job/{}-release", app.name));
    assert_eq!(app.get("deployment", &app.name), None);
    wait_until("the Job is gone", || app.get("job", &format!("{}-release", app.name)).is_none());
}

#[test]
fn the_predeploy_script_of_app_json_runs_before_the_release_phase() {
    let gateway = Gateway::start();
    let app = with_release_phase("echo second step");
    app.write("app.json", r#"{"scripts": {"dokku": {"predeploy": "echo first step"}}}"#);
    app.commit("with app.json");
    let output = app.push(&gateway).ok().stderr.clone();
    let position = |text: &str| output.find(text).unwrap_or_else(|| panic!("{text} is not in {output}"));
    assert!(position("first step") < position("second step"), "{output}");
}

#[test]
fn a_release_phase_that_prints_too_much_is_cut_off() {
    let gateway = Gateway::start();
    let app = with_release_phase("head -c 3000000 /dev/zero | tr '\\\\0' x; echo; yes | head -n 600000; echo the end");
    let output = app.push(&gateway).ok().stderr.clone();
    assert!(output.contains("is longer: kubectl logs"), "{}", output.chars().take(500).collect::<String>());
    assert!(output.len() < 200_000, "{} bytes", output.len());
}
