//! Unfinished Jobs and objects that are being deleted, on the way back to an earlier revision; and objects that cannot be
//! removed on the way forward.

use serde_json::json;

use crate::support::api_proxy::{Action, ApiProxy};
use crate::support::background::BackgroundCommand;
use crate::support::kubectl::kubectl;
use crate::support::templates::Templates;
use crate::support::{ADMIN, App, Gateway, assert_history, wait_until};

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: extra\n";

/// The built-in templates with a Job that runs a shell command.
fn templates_with_job(command: &str) -> Templates {
    let job = include_str!("fixtures/job.yaml").replace(r#"["true"]"#, &format!(r#"["sh", "-c", "{command}"]"#));
    Templates::copy().with_file("job.yaml", &job)
}

#[test]
fn an_unfinished_job_of_a_failed_release_is_ended_before_the_rollback() {
    let first = templates_with_job("true");
    let mut gateway = first.start_gateway();
    let app = App::deployed(&gateway);
    let endless = templates_with_job("sleep 1000");
    gateway.restart_with(&[endless.setting()]);
    app.commit_crash();
    let job = format!("job/{} had not finished", app.name);
    app.push(&gateway).fails().prints_all(&["the last words", &job, "rolled back to v1 (as v3)"]);
    app.shows("one");
    let job = app.get("job", &app.name).unwrap();
    assert!(job["spec"]["template"].to_string().contains("true"), "{job}");
    wait_until("the Job of v1 has run again", || app.get("job", &app.name).unwrap()["status"]["succeeded"] == 1);
}

#[test]
fn an_object_that_cannot_be_removed_is_named_and_the_release_stays() {
    let first = Templates::copy().with_file("extra.yaml", CONFIG_MAP);
    let (api, mut gateway) = ApiProxy::start_with_gateway(&[first.setting()]);
    let app = App::deployed(&gateway);
    let none = Templates::copy();
    gateway.restart_with(&[none.setting()]);
    let forbidden = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden",
                           "message": "deletion is forbidden by a policy", "code": 403});
    api.set_rule(move |request| match request.method == "DELETE" && request.path.contains("/configmaps/extra") {
        true => Action::Respond("403 Forbidden", forbidden.to_string()),
        false => Action::Forward,
    });
    app.commit_page("two");
    app.push(&gateway).ok().prints_all(&["configmap/extra could not be removed", "by a policy", "Released v2"]);
    app.shows("two");
    assert_history(&app, &[("v1", "superseded"), ("v2", "deployed")]);
    gateway.run_command(&format!("releases {}", app.name)).ok().prints("not removed: configmap/extra");
}

#[test]
fn an_object_that_is_being_deleted_is_waited_for_and_created_again() {
    let first = Templates::copy().with_file("extra.yaml", CONFIG_MAP);
    let mut gateway = first.start_gateway();
    let app = App::deployed(&gateway);
    let finalizers = |value: &str| {
        let patch = format!(r#"{{"metadata":{{"finalizers":{value}}}}}"#);
        kubectl(&["patch", "configmap", "extra", "-n", &app.name, "--type=merge", "-p", &patch]);
    };
    finalizers(r#"["example.com/keep"]"#);
    let none = Templates::copy();
    gateway.restart_with(&[none.setting()]);
    app.commit_page("two");
    app.push(&gateway).ok().prints("configmap/extra removed");
    assert!(app.get("configmap", "extra").unwrap()["metadata"]["deletionTimestamp"].is_string());

    let rollback = BackgroundCommand::start(gateway.ssh(ADMIN).arg(format!("rollback {} v1", app.name)));
    rollback.wait_for_output("waiting for configmap/extra, which is being deleted (finalizers: example.com/keep)");
    finalizers("null");
    rollback.wait().ok().prints("Released v3");
    let created = app.get("configmap", "extra").unwrap();
    assert_eq!(created["metadata"]["deletionTimestamp"], json!(null));
    app.shows("one");
}

#[test]
fn an_object_that_stays_in_deletion_is_named_with_its_finalizers() {
    let first = Templates::copy().with_file("extra.yaml", CONFIG_MAP);
    let gateway = Gateway::with(&[first.setting(), ("SLIPWAY_ROLLOUT_TIMEOUT", "20s")]);
    let app = App::deployed(&gateway);
    let finalizers = |value: &str| {
        let patch = format!(r#"{{"metadata":{{"finalizers":{value}}}}}"#);
        kubectl(&["patch", "configmap", "extra", "-n", &app.name, "--type=merge", "-p", &patch]);
    };
    finalizers(r#"["example.com/keep"]"#);
    kubectl(&["delete", "configmap", "extra", "-n", &app.name, "--wait=false"]);
    app.commit_page("two");
    let push = app.push(&gateway).fails();
    finalizers("null");
    push.prints("configmap/extra is still being deleted").prints("example.com/keep");
}
