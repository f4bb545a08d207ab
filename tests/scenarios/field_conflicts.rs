//! Fields that other field managers took from a release.

use crate::support::{ADMIN, App, Gateway, assert_history, base_image, kubectl, wait_until};

/// Gives the app another image with `kubectl set image`, which takes the field from the release.
fn set_image(app: &App) {
    let image = format!("web={}", base_image());
    kubectl(&["set", "image", &format!("deployment/{}", app.name), &image, "-n", &app.name]);
}

/// Changes the Service's target port as the field manager `mesh`.
fn take_service(app: &App) {
    let patch = r#"[{"op": "replace", "path": "/spec/ports/0/targetPort", "value": 81}]"#;
    let service = ["patch", "service", &app.name, "-n", &app.name, "--field-manager=mesh"];
    kubectl(&[&service[..], &["--type=json", "-p", patch]].concat());
}

#[test]
fn a_field_conflict_is_reported_with_its_field_manager() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    take_service(&app);
    app.commit_page("two");
    app.push(&gateway)
        .fails()
        .prints_all(&[&format!("service/{}", app.name), "\"mesh\"", "targetPort", "-o force-conflicts"])
        .does_not_print("Building");
    assert_history(&app, &[("v1", "deployed")]);
}

#[test]
fn a_push_takes_fields_back_with_the_option_that_its_refusal_names() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    set_image(&app);
    app.commit_page("two");
    let deployment = format!("deployment/{}", app.name);
    app.push(&gateway).fails().prints_all(&[&deployment, "\"kubectl-set\"", ".image", "-o force-conflicts"]);
    app.push_as(&gateway, ADMIN, &["-oforce-conflicts", "-odry-run", "main"]).fails().prints("dry run: nothing was");
    app.push_as(&gateway, ADMIN, &["-oforce-conflicts", "main"]).ok().prints("took fields").prints("Released v2");
    app.shows("two");
    // from now on, the fields are the release's again
    app.commit_page("three");
    app.push(&gateway).ok().prints("Released v3");

    set_image(&app);
    let redeploy = format!("redeploy {}", app.name);
    gateway.run_command(&redeploy).fails().prints("--force-conflicts");
    gateway.run_command(&format!("{redeploy} --force-conflicts")).ok().prints("Released v4");
    app.shows("three");
}

#[test]
fn a_rollback_takes_fields_back() {
    let gateway = Gateway::start();
    let app = App::upgraded(&gateway);
    set_image(&app);
    take_service(&app);
    gateway.run_command(&format!("rollback {} v1", app.name)).ok().prints("took fields").prints("Released v3");
    app.shows("one");
}

#[test]
fn an_automatic_rollback_takes_fields_back() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let first = app.image();
    // the kubelet starts it three times before the rollout fails, which takes more than ten seconds
    app.commit_crash();
    let push = app.start_push(&gateway);
    wait_until("the Deployment is applied", || app.image() != first);
    take_service(&app);
    push.wait().fails().prints("rolled back to v1 (as v3)");
    app.shows("one");
    assert_history(&app, &[("v1", "superseded"), ("v2", "failed"), ("v3", "deployed")]);
}
